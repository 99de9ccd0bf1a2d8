import { styleText } from "node:util";

/** What a piece of the report means; the style decides how it looks. */
export type Tone = "good" | "bad" | "dim" | "strong" | "plain";

/** Marks text with a tone, or leaves it as it is where colour is not wanted. */
export type TextStyle = (tone: Tone, text: string) => string;

const FORMAT = { good: "green", bad: "red", dim: "dim", strong: "bold" } as const;

/** Colour on a terminal alone, and never where NO_COLOR is set (no-color.org: any value but the empty one). */
export function createTextStyle(options: {
  readonly isTerminal: boolean;
  readonly noColor: string | undefined;
}): TextStyle {
  const isColoured = options.isTerminal && (options.noColor ?? "") === "";
  return (tone, text) => {
    if (!isColoured || tone === "plain" || text === "") return text;
    return styleText(FORMAT[tone], text, { validateStream: false });
  };
}
