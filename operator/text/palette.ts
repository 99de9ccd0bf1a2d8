/** How texts are marked on a terminal. */
export interface Palette {
  readonly good: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly strong: (text: string) => string;
}

const ESCAPE = String.fromCharCode(27);
const coloured =
  (code: number) =>
  (text: string): string =>
    `${ESCAPE}[${code}m${text}${ESCAPE}[0m`;
const plain = (text: string): string => text;

export const PLAIN: Palette = { good: plain, warning: plain, bad: plain, strong: plain };
const COLOURED: Palette = { good: coloured(32), warning: coloured(33), bad: coloured(31), strong: coloured(1) };

/**
 * Colours only on a terminal that understands them, and never where the user has set NO_COLOR (no-color.org): any value
 * but the empty one counts.
 */
export function choosePalette(options: {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Palette {
  const { isTerminal, env } = options;
  const isRefused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return isTerminal && !isRefused ? COLOURED : PLAIN;
}

/**
 * A text from the cluster or a file without control characters: they could move the cursor or change what a terminal
 * shows before them.
 */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Unicode's controls but the tab and the line end. */
const CONTROLS = /[^\P{Cc}\t\n]/gu;
