import { parseJson, textOf } from "./json-fields.ts";

/** A line of a proxy's log. */
export interface LogLine {
  readonly level: string;
  readonly component: string;
  /** The stable reason. */
  readonly code: string;
  readonly client: string;
  readonly message: string;
}

/** Reads JSON lines; whatever else the container printed is passed over. */
export function parseLogLines(text: string): readonly LogLine[] {
  return text.split("\n").flatMap((line) => {
    const value = parseJson(line);
    if (typeof value !== "object" || value === null) return [];
    return [
      {
        level: textOf(value, "level"),
        component: textOf(value, "component"),
        code: textOf(value, "code"),
        client: textOf(value, "client"),
        message: textOf(value, "message"),
      },
    ];
  });
}

/** The last lines of a log, short enough to be read in a report. */
export function formatLogTail(text: string, lineCount: number): readonly string[] {
  const lines = text.trimEnd().split("\n");
  return lines.slice(-lineCount).map((line) => (line.length > 300 ? `${line.slice(0, 299)}…` : line));
}
