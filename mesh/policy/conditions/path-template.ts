import type { TextTest } from "./match-text.ts";

/** What an operator may cover: RFC 3986's pchar, with `=` and `*` (CVE-2025-46821). */
const COVERED = "A-Za-z0-9._~%!$&'()*+,;:@=-";
/** A segment of a template that is not an operator. */
const LITERAL = /^[A-Za-z0-9._~%!$&'()+,;:@=-]+$/;

/** Whether a value of `paths` is a template, not a text. */
export function isPathTemplate(value: string): boolean {
  return value.includes("{*}") || value.includes("{**}");
}

/**
 * Whether a path matches a template as in Envoy: `{*}` is one segment that is not empty, `{**}` any number of segments,
 * none too; the slash before it stays. undefined: not a template. Linear in the path, because an operator ends where
 * its characters end.
 */
export function compilePathTemplate(template: string): TextTest | undefined {
  if (!isValidTemplate(template)) return undefined;
  const [head = "", tail] = template.split("{**}");
  const matchHead = compileHead(head);
  if (tail === undefined) return (path) => matchHead(path) === path.length;
  const rest = new RegExp(`^[/${COVERED}]*$`);
  return (path) => {
    const start = matchHead(path);
    const end = path.length - tail.length;
    return start !== undefined && start <= end && path.endsWith(tail) && rest.test(path.slice(start, end));
  };
}

/** The part of a template before its first operator. */
export function literalHead(template: string): string {
  return template.slice(0, template.indexOf("{"));
}

function isValidTemplate(template: string): boolean {
  if (!template.startsWith("/")) return false;
  const segments = template.replaceAll(/^\/|\/$/g, "").split("/");
  const rest = segments.indexOf("{**}");
  return segments.every((segment, index) =>
    segment === "{*}" || segment === "{**}" ? rest < 0 || index <= rest : LITERAL.test(segment),
  );
}

/** Where the part of a path ends that a template without `{**}` covers; undefined: it does not match. */
function compileHead(head: string): (path: string) => number | undefined {
  const [first = "", ...literals] = head.split("{*}");
  const segment = new RegExp(`[${COVERED}]+`, "y");
  return (path) => {
    if (!path.startsWith(first)) return undefined;
    let at = first.length;
    for (const literal of literals) {
      segment.lastIndex = at;
      if (!segment.test(path) || !path.startsWith(literal, segment.lastIndex)) return undefined;
      at = segment.lastIndex + literal.length;
    }
    return at;
  };
}
