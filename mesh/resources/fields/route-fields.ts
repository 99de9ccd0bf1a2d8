/**
 * Fields of a VirtualService's HTTP route that may be ignored: the request still goes where it should. Everything else
 * that is not supported (a mirror, a condition of a match) would send requests to the wrong place if it was ignored.
 */
const HARMLESS =
  /^(?:retries\.(?:retryRemoteLocalities|retryIgnorePreviousHosts|backoff)|match\[\d+\]\.statPrefix)(?:[.[]|$)/;

/** Whether an unsupported field, by its path (`spec.http[0].retries.backoff`), only costs a convenience. */
export function isHarmlessRouteField(path: string): boolean {
  const inRoute = /^spec\.http\[\d+\]\.(.+)$/.exec(path)?.[1] ?? "";
  return HARMLESS.test(inRoute);
}
