/** For tests: how known lenient servers read a request, written from their sources. */
import { METHODS } from "node:http";
import { parseWithNode } from "../../http1/node-parser-fixture.ts";

/** What a server would pass to its application. */
export interface ReadRequest {
  /** Whether its first line names an HTTP version. */
  readonly hasVersion: boolean;
  /** Whether it has a field that the application reads as `x-forwarded-client-cert`. */
  readonly isForged: boolean;
}

export interface LenientServer {
  readonly name: string;
  readonly read: (bytes: Buffer) => ReadRequest | undefined;
}

const KNOWN = new Set(METHODS);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What `str.split` and `str.splitlines` split at; FS, GS, RS and US are 1c to 1f. */
const [FS, RS, US] = [0x1c, 0x1e, 0x1f].map((code) => String.fromCharCode(code));
const PYTHON_BLANKS = new RegExp(`[\\s${FS}-${US}\x85]+`);
const PYTHON_LINE_ENDS = new RegExp(`\r\n|[\n\r\v\f${FS}-${RS}\x85\u2028\u2029]`);

/** The first line, and the following lines up to an empty one; `undefined` while the first line is incomplete. */
function linesOf(
  text: string,
  lineEnd: RegExp,
): { readonly first: string; readonly fields: readonly string[] } | undefined {
  const lines = text.split(lineEnd);
  const start = lines.findIndex((line) => line.trim() !== "");
  if (start < 0 || start === lines.length - 1) return undefined;
  const fields = lines.slice(start + 1);
  const end = fields.indexOf("");
  return { first: lines[start] ?? "", fields: end < 0 ? fields : fields.slice(0, end) };
}

function isForged(fields: readonly string[]): boolean {
  return fields.some((field) => /^\s*x[-_]forwarded[-_]client[-_]cert\s*:/i.test(field));
}

/** `http.server`: ISO 8859-1, `str.split`, three words, or two for GET (HTTP/0.9, but with fields). */
function readByPython(text: string, lineEnd: RegExp): ReadRequest | undefined {
  const lines = linesOf(text, lineEnd);
  const words = (lines?.first ?? "").split(PYTHON_BLANKS).filter((word) => word !== "");
  const [command = "", , version = ""] = words;
  if (lines === undefined || !TOKEN.test(command)) return undefined;
  if (words.length === 3 && version.startsWith("HTTP/")) return { hasVersion: true, isForged: isForged(lines.fields) };
  return words.length === 2 && command === "GET" ? { hasVersion: false, isForged: isForged(lines.fields) } : undefined;
}

/** `wsgiref`: the same words, and any method. */
function readByWsgi(text: string): ReadRequest | undefined {
  const lines = linesOf(text, /\n/);
  const words = (lines?.first ?? "").split(PYTHON_BLANKS).filter((word) => word !== "");
  const isRequest = words.length === 3 && /^HTTP\/[+-]?\d+\.\d+$/.test(words[2] ?? "");
  return lines !== undefined && isRequest ? { hasVersion: true, isForged: isForged(lines.fields) } : undefined;
}

/** Rack on WEBrick: its regular expression, and any method. */
function readByRack(text: string): ReadRequest | undefined {
  const lines = linesOf(text, /\n/);
  if (lines === undefined || !/^\S+[ \t\r\f\v]+\S+[ \t\r\f\v]+HTTP\/\d+\.\d+\r?$/.test(lines.first)) return undefined;
  return { hasVersion: true, isForged: isForged(lines.fields.map((field) => field.replace(/\r$/, ""))) };
}

/** WEBrick's regular expression; without a version it reads no fields. */
function readByRuby(text: string): ReadRequest | undefined {
  const lines = linesOf(text, /\n/);
  const match = /^(\S+)[ \t\r\n\f\v]+(\S+)(?:[ \t\r\n\f\v]+HTTP\/(\d+\.\d+))?\r?$/.exec(lines?.first ?? "");
  if (lines === undefined || match === null || !TOKEN.test(match[1] ?? "")) return undefined;
  const hasVersion = match[3] !== undefined;
  const fields = lines.fields.map((field) => field.replace(/\r$/, ""));
  return { hasVersion, isForged: hasVersion && isForged(fields) };
}

/**
 * The built-in server's parser: only known methods; a target is a path, `*` or absolute; the version may be missing.
 */
function readByPhp(text: string): ReadRequest | undefined {
  const lines = linesOf(text, /\r?\n/);
  const match = /^\s*([A-Z-]+) +(?:\/|\*|[a-z]+:\/\/)[^\s]*(?: +(HTTP\/\d+\.\d+))?\s*$/i.exec(lines?.first ?? "");
  if (lines === undefined || match === null || !KNOWN.has(match[1] ?? "")) return undefined;
  return { hasVersion: match[2] !== undefined, isForged: isForged(lines.fields) };
}

/** `net/http`: `strings.Cut` at the first two spaces, any token, the exact version. */
function readByGo(text: string): ReadRequest | undefined {
  const lines = linesOf(text, /\r?\n/);
  const match = /^([^ ]*) ([^ ]*) (HTTP\/\d\.\d)$/.exec(lines?.first ?? "");
  if (lines === undefined || match === null || !TOKEN.test(match[1] ?? "")) return undefined;
  return { hasVersion: true, isForged: isForged(lines.fields) };
}

/** Node's own parser, which also serves HTTP/0.9, RTSP and ICE. */
function readByNode(bytes: Buffer): ReadRequest | undefined {
  if (parseWithNode(bytes, "request").length === 0) return undefined;
  const lines = linesOf(bytes.toString("latin1"), /\r?\n/);
  return { hasVersion: / HTTP\/\d/.test(lines?.first ?? ""), isForged: isForged(lines?.fields ?? []) };
}

/** `while read -r method target version`: NULs are dropped, any blank splits, the version is ignored. */
function readByShell(text: string): ReadRequest | undefined {
  const lines = linesOf(text.replaceAll("\0", ""), /\n/);
  const [method = "", target = "", version = ""] = (lines?.first ?? "").trim().split(/[ \t]+/);
  if (lines === undefined || !KNOWN.has(method) || !target.startsWith("/")) return undefined;
  return { hasVersion: version.startsWith("HTTP/"), isForged: isForged(lines.fields.map((field) => field.trim())) };
}

/** A quickly hand-written server: UTF-8, `trim`, `split(/\s+/)`. */
function readByHand(bytes: Buffer, ignoresCase: boolean): ReadRequest | undefined {
  const lines = linesOf(bytes.toString("utf8"), /\r?\n/);
  const words = (lines?.first ?? "").trim().split(/\s+/);
  const version = words.at(-1) ?? "";
  const isHttp = (ignoresCase ? version.toUpperCase() : version).startsWith("HTTP/");
  if (lines === undefined || words.length < 3 || !TOKEN.test(words[0] ?? "") || !isHttp) return undefined;
  return { hasVersion: true, isForged: isForged(lines.fields) };
}

const latin1 =
  (read: (text: string) => ReadRequest | undefined) =>
  (bytes: Buffer): ReadRequest | undefined =>
    read(bytes.toString("latin1"));

export const LENIENT_SERVERS: readonly LenientServer[] = [
  { name: "Python's http.server", read: latin1((text) => readByPython(text, /\n/)) },
  { name: "a Python server with splitlines", read: latin1((text) => readByPython(text, PYTHON_LINE_ENDS)) },
  {
    name: "a Python server with splitlines in UTF-8",
    read: (bytes) => readByPython(bytes.toString("utf8"), PYTHON_LINE_ENDS),
  },
  { name: "Python's wsgiref", read: latin1(readByWsgi) },
  { name: "Rack on WEBrick", read: latin1(readByRack) },
  { name: "Ruby's WEBrick", read: latin1(readByRuby) },
  { name: "PHP's built-in server", read: latin1(readByPhp) },
  { name: "Go's net/http", read: latin1(readByGo) },
  { name: "Node's node:http", read: readByNode },
  { name: "a shell script", read: latin1(readByShell) },
  { name: "a server that splits at Unicode's blanks", read: (bytes) => readByHand(bytes, false) },
  { name: "a server that ignores the version's case", read: (bytes) => readByHand(bytes, true) },
];
