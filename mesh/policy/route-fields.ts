/**
 * Fields of a VirtualService's HTTP route that may be ignored: the request still goes where it should. Everything else
 * that is not supported (a redirect, a rewrite, a fault, a condition of a match) would make an ignored field a wrong answer.
 */
const HARMLESS = ["timeout", "retries"];
const HARMLESS_IN_MATCH = ["statPrefix"];

/** Whether an unsupported field, by its path (`spec.http[0].timeout.…`), only costs a convenience. */
export function isHarmlessRouteField(path: string): boolean {
  const inRoute = /^spec\.http\[\d+\]\.(.+)$/.exec(path)?.[1] ?? "";
  const inMatch = /^match\[\d+\]\.(.+)$/.exec(inRoute)?.[1];
  return inMatch === undefined
    ? HARMLESS.includes(firstField(inRoute))
    : HARMLESS_IN_MATCH.includes(firstField(inMatch));
}

function firstField(path: string): string {
  return path.split(/[.[]/, 1)[0] ?? "";
}
