/**
 * Fields of a VirtualService's HTTP route that may be ignored: the request still reaches the right destination.
 * Ignoring any other unsupported field (a mirror, a condition of a match) could send requests to the wrong place.
 */
const HARMLESS =
  /^(?:retries\.(?:retryRemoteLocalities|retryIgnorePreviousHosts|backoff)|match\[\d+\]\.statPrefix)(?:[.[]|$)/;

/** Whether ignoring an unsupported field, by its path (`spec.http[0].retries.backoff`), is safe. */
export function isHarmlessRouteField(path: string): boolean {
  const inRoute = /^spec\.http\[\d+\]\.(.+)$/.exec(path)?.[1] ?? "";
  return HARMLESS.test(inRoute);
}
