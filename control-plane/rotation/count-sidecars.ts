import { isNearlyAll } from "../../ca-agent/rotation/rejected-roots.ts";
import type { RejectionCounts, SidecarCounts } from "../../ca-agent/rotation/rotation-state.ts";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";
import { parseSpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";

/** Of a proxy with all of its streams. */
interface Proxy {
  readonly identity: string;
  readonly namespace: string;
  readonly trusted: readonly string[];
  readonly held: readonly string[];
  readonly rejected: readonly string[];
}

/**
 * Counts the connected proxies by the roots that they trust, and by the root of the certificate that they have. All
 * streams of one identity at one address are one proxy, which has what each of them has: a hostile pod, which may open
 * many, has no more weight than another. A proxy that moves to another connection has two for a moment.
 */
export function countSidecars(streams: readonly ProxyTrust[]): SidecarCounts {
  const groups = Map.groupBy(streams, ({ identity, address }) => `${identity} ${address}`);
  const proxies = [...groups.values()].map(mergeStreams);
  const rejected = new Set(proxies.flatMap((proxy) => proxy.rejected));
  return {
    connected: proxies.length,
    tenants: {
      identities: new Set(proxies.map(({ identity }) => identity)).size,
      namespaces: new Set(proxies.map(({ namespace }) => namespace)).size,
    },
    trusting: countEach(proxies.flatMap(({ trusted }) => trusted)),
    holding: countEach(proxies.flatMap(({ held }) => held)),
    rejecting: new Map([...rejected].map((root) => [root, countRejections(proxies, root)])),
  };
}

function mergeStreams(streams: readonly ProxyTrust[]): Proxy {
  const [identity = ""] = streams.map((stream) => stream.identity);
  const claimed = new Set(streams.flatMap(({ rejectedRoot }) => rejectedRoot ?? []));
  return {
    identity,
    namespace: spiffeIdParts(parseSpiffeId(identity)).namespace,
    trusted: inAll(streams.map(({ trustedRoots }) => trustedRoots ?? [])),
    held: inAll(streams.map(({ certificateRoot }) => [certificateRoot])),
    // One that has accepted a root before does not reject a bundle because of it.
    rejected: [...claimed].filter((root) => !streams.some(({ trustedRoots }) => trustedRoots?.includes(root) === true)),
  };
}

function countRejections(proxies: readonly Proxy[], root: string): RejectionCounts {
  const isRejecting = ({ rejected }: Proxy): boolean => rejected.includes(root);
  const countGroups = (nameOf: (proxy: Proxy) => string): number =>
    [...Map.groupBy(proxies, nameOf).values()].filter((own) => isNearlyAll(own.filter(isRejecting).length, own.length))
      .length;
  return {
    sidecars: proxies.filter(isRejecting).length,
    identities: countGroups(({ identity }) => identity),
    namespaces: countGroups(({ namespace }) => namespace),
  };
}

function countEach(roots: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const root of roots) counts.set(root, (counts.get(root) ?? 0) + 1);
  return counts;
}

function inAll([first = [], ...others]: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(first)].filter((root) => others.every((roots) => roots.includes(root)));
}
