import { InstallError } from "../install-error.ts";

export type PlainTree = { readonly [name: string]: unknown };

const WHOLE_NUMBER = /^-?(?:0|[1-9]\d{0,14})$/;

/**
 * Parses `--set a.b=c` as Helm does: a dot separates names, `\.` is a dot in a name, `{x,y}` is a list; `true`, `false`,
 * `null` and whole numbers are values of their kind, anything else is text.
 * @throws InstallError `bad_value`
 */
export function parseSetExpression(text: string): PlainTree {
  const equals = text.indexOf("=");
  const names = splitNames(text.slice(0, Math.max(equals, 0)));
  if (equals < 1 || names.some((name) => name === "" || name === "__proto__")) {
    throw new InstallError("bad_value", `--set must be NAME=VALUE such as gateway.replicas=2, got "${text}"`);
  }
  const [first = "", ...inner] = names;
  const value = parseValue(text.slice(equals + 1));
  return { [first]: inner.reduceRight((tree, name) => ({ [name]: tree }), value) };
}

function splitNames(path: string): readonly string[] {
  return path.split(/(?<!\\)\./).map((name) => name.replaceAll("\\.", "."));
}

function parseValue(text: string): unknown {
  if (!text.startsWith("{") || !text.endsWith("}")) return parseScalar(text);
  const inner = text.slice(1, -1);
  return inner === "" ? [] : inner.split(",").map((item) => parseScalar(item.trim()));
}

function parseScalar(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  return WHOLE_NUMBER.test(text) ? Number(text) : text;
}
