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
 * A text from the cluster or a file without control characters: they could move the cursor, or change what a terminal
 * shows before them or in which order.
 */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, (found) => escapeCharacter(found, found === "\t" || found === "\n"));
}

/** The same in one line: a text that another program chose could otherwise look like several of ours. */
export function printableLine(text: string): string {
  return text.replaceAll(CONTROLS, (found) => escapeCharacter(found, false));
}

/** Unicode's controls, formats (such as the order of a text), and separators of lines. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escapeCharacter(found: string, isKept: boolean): string {
  const code = found.codePointAt(0) ?? 0;
  if (isKept) return found;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
