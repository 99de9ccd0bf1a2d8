import type { MetricsSource } from "./metrics-page.ts";

/** One sample of Prometheus's text format. */
export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The text of a new page. */
export async function readPage(source: Pick<MetricsSource, "read">): Promise<string> {
  return Buffer.concat((await source.read()).pieces).toString();
}

/** Reads the text format, version 0.0.4. Throws at an invalid line. */
export function parseExposition(text: string): readonly ExposedSample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null) throw new Error(`not a sample: ${line}`);
      return { name: match[1] ?? "", labels: parseLabels(match[2] ?? ""), value: parseValue(match[3] ?? "") };
    });
}

/** The text of `# TYPE` for each metric. */
export function parseTypes(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
}

function parseLabels(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/gy)];
  if (pairs.map(([pair]) => pair).join("") !== text) throw new Error(`not a list of labels: ${text}`);
  const names = pairs.map(([, name]) => name);
  if (new Set(names).size < names.length) throw new Error(`a duplicate label: ${text}`);
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
}

function parseValue(text: string): number {
  const value = text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
  if (Number.isNaN(value)) throw new Error(`not a number: ${text}`);
  return value;
}
