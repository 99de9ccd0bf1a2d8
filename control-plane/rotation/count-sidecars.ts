import type { SidecarCounts } from "../../ca-agent/rotation/rotation-state.ts";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";

/**
 * Counts the connected proxies by the roots that they trust, and by the root of the certificate that they have. All
 * streams of one identity at one address are one proxy, which has what each of them has: a hostile pod, which may open
 * many, has no more weight than another. A proxy that moves to another connection has two for a moment.
 */
export function countSidecars(streams: readonly ProxyTrust[]): SidecarCounts {
  const proxies = Map.groupBy(streams, ({ identity, address }) => `${identity} ${address}`);
  const trusting = new Map<string, number>();
  const holding = new Map<string, number>();
  const add = (counts: Map<string, number>, root: string): void => void counts.set(root, (counts.get(root) ?? 0) + 1);
  let rejecting = 0;
  for (const own of proxies.values()) {
    for (const root of inAll(own.map(({ trustedRoots }) => trustedRoots ?? []))) add(trusting, root);
    for (const root of inAll(own.map(({ certificateRoot }) => [certificateRoot]))) add(holding, root);
    if (own.some(({ rejectsBundle }) => rejectsBundle)) rejecting += 1;
  }
  return { connected: proxies.size, trusting, holding, rejecting };
}

function inAll([first = [], ...others]: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(first)].filter((root) => others.every((roots) => roots.includes(root)));
}
