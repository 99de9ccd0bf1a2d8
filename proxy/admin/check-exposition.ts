/**
 * Checks Prometheus's text format, version 0.0.4, line by line. One invalid line makes Prometheus discard a whole page,
 * so an application's page is checked before it is joined to another one.
 */

/** Each is matched once at a known position: a pattern of a whole line would try its blanks in every combination. */
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const BLANKS = /[ \t]*/y;
const WORD = /[^ \t]+/y;
const VALUE = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[iI]nf(?:inity)?|NaN)$/;
const TIMESTAMP = /^-?\d{1,19}$/;
const TYPES: ReadonlySet<string> = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);

/** The metric that a line belongs to; empty for a comment; `undefined`: the line is not valid. */
export function metricOfLine(line: string): string | undefined {
  if (line === "") return "";
  return line.startsWith("#") ? metricOfComment(line) : new SampleScanner(line).scan();
}

function metricOfComment(line: string): string | undefined {
  const [keyword = "", name = "", type = "", ...rest] = line
    .slice(1, MAX_METADATA)
    .trim()
    .split(/[ \t]+/);
  if (!/^[ \t]/.test(line.slice(1)) || (keyword !== "HELP" && keyword !== "TYPE")) return "";
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) return undefined;
  return keyword === "HELP" || (TYPES.has(type) && rest.length === 0) ? name : undefined;
}

/** More than a name and a type have; a help text may be longer. */
const MAX_METADATA = 1000;

/** `name{label="value",…} value timestamp`. */
class SampleScanner {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  scan(): string | undefined {
    const name = this.#take(NAME);
    const nameEnd = this.#at;
    this.#take(BLANKS);
    const hasLabels = this.#skip("{");
    if (name === "" || (hasLabels && !this.#scanLabels())) return undefined;
    this.#take(BLANKS);
    if (!hasLabels && this.#at === nameEnd) return undefined;
    if (!VALUE.test(this.#take(WORD))) return undefined;
    this.#take(BLANKS);
    const timestamp = this.#take(WORD);
    this.#take(BLANKS);
    return this.#at === this.#line.length && (timestamp === "" || TIMESTAMP.test(timestamp)) ? name : undefined;
  }

  /** After the opening brace, to the closing one. */
  #scanLabels(): boolean {
    for (;;) {
      this.#take(BLANKS);
      if (this.#skip("}")) return true;
      if (this.#take(LABEL_NAME) === "") return false;
      this.#take(BLANKS);
      if (!this.#skip("=")) return false;
      this.#take(BLANKS);
      if (!this.#scanQuoted()) return false;
      this.#take(BLANKS);
      if (!this.#skip(",") && this.#line[this.#at] !== "}") return false;
    }
  }

  #scanQuoted(): boolean {
    if (!this.#skip('"')) return false;
    for (; this.#at < this.#line.length; this.#at += 1) {
      if (this.#skip('"')) return true;
      if (this.#line[this.#at] !== "\\") continue;
      this.#at += 1;
      if (!'"\\n'.includes(this.#line[this.#at] ?? "?")) return false;
    }
    return false;
  }

  #skip(character: string): boolean {
    if (this.#line[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [taken = ""] = pattern.exec(this.#line) ?? [];
    this.#at += taken.length;
    return taken;
  }
}

/** The names of samples that a family may have besides its own. */
const SUFFIX = /_(?:total|bucket|sum|count|created)$/;

export type CheckedPage =
  | { readonly kind: "page"; readonly body: Buffer }
  | { readonly kind: "failed"; readonly reason: string };

/** Lines that are checked in one turn of the event loop: some milliseconds. */
const LINES_PER_TURN = 2000;

/**
 * The page without the metrics of these names, which belong to the proxy: an application must not report its requests
 * for it. @returns why the page is not valid.
 */
export async function checkExposition(body: Buffer, ownNames: ReadonlySet<string>): Promise<CheckedPage> {
  const text = decode(body);
  if (text === undefined) return { kind: "failed", reason: "its page is not UTF-8" };
  const kept: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (index > 0 && index % LINES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    const name = metricOfLine(line);
    if (name === undefined) {
      return { kind: "failed", reason: `line ${index + 1} of its page is not in Prometheus's text format` };
    }
    if (!ownNames.has(name) && !ownNames.has(name.replace(SUFFIX, ""))) kept.push(line);
  }
  // The text after the last line end is empty, or a line without its end.
  if (kept.at(-1) !== "") kept.push("");
  return { kind: "page", body: Buffer.from(kept.join("\n")) };
}

function decode(body: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}
