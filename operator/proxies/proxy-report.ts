import { type ConnectedProxy, connectedProxies } from "./connected-proxies.ts";
import type { ControlPlaneReplica } from "./sync-page.ts";

/**
 * - `synced`: it has acknowledged everything that was sent.
 * - `behind`: not yet; normal for a moment.
 * - `rejected`: it did not accept a value and keeps an earlier one.
 * - `not connected`: the pod has a proxy, and no control plane has a stream with it.
 */
export type ProxyState = "synced" | "behind" | "rejected" | "not connected";

/** A proxy of the mesh and what it has of its configuration. */
export interface ProxyRow {
  /** `NAME.NAMESPACE`. */
  readonly pod: string;
  readonly state: ProxyState;
  /** Of its software; empty if it is not known. */
  readonly version: string;
  /** The control plane's pod; absent if it is not connected. */
  readonly controlPlane?: string;
  readonly identity?: string;
  /** ISO 8601, as are the others. */
  readonly connectedSince?: string;
  readonly lastSent?: string;
  readonly lastAcknowledged?: string;
  /** What it subscribes to: `{ inbound: 1, destinations: 12 }`. */
  readonly resources: Readonly<Record<string, number>>;
  readonly rejections: readonly { readonly resource: string; readonly reason: string }[];
  /** Why this needs attention. */
  readonly problem?: string;
}

export interface ProxyReportInput {
  readonly replicas: readonly ControlPlaneReplica[];
  /** The pods that have a proxy and run. */
  readonly pods: readonly ProxyPod[];
  readonly nowMs: number;
}

export interface ProxyPod {
  readonly name: string;
  readonly namespace: string;
  readonly version: string;
}

/** An acknowledgement takes milliseconds: this long, and something is wrong. */
const BEHIND_LIMIT_MS = 15_000;
/** The control plane notices within half a minute that a pod has vanished. */
const SETTLED_MS = 60_000;

/** All proxies, those that need attention first. With an unread replica, a missing proxy may be connected there. */
export function createProxyReport({ replicas, pods, nowMs }: ProxyReportInput): readonly ProxyRow[] {
  const proxies = connectedProxies(replicas);
  const addresses = settledAddresses(proxies, nowMs);
  const connected = proxies.map((one) => {
    const problem = describeAddresses(addresses.get(nameOf(one.proxy)) ?? []);
    return { ...rowOfProxy(one, nowMs), ...(problem !== undefined && { problem }) };
  });
  const known = new Set(connected.map(({ pod }) => pod));
  const isComplete = replicas.every(({ page }) => page.kind === "read");
  const missing = pods.filter(({ name, namespace }) => !known.has(`${name}.${namespace}`));
  return [...missing.map((pod) => rowOfMissing(pod, isComplete)), ...connected].toSorted(
    (left, right) => Number(left.problem === undefined) - Number(right.problem === undefined) || compare(left, right),
  );
}

/** By the pod that they name. A pod that is replaced under its name has another address, and the old stream may last a while. */
function settledAddresses(proxies: readonly ConnectedProxy[], nowMs: number): ReadonlyMap<string, readonly string[]> {
  const settled = proxies.filter(({ proxy }) => nowMs - Date.parse(proxy.connectedSince) > SETTLED_MS);
  const byPod = Map.groupBy(settled, ({ proxy }) => nameOf(proxy));
  return new Map([...byPod].map(([pod, own]) => [pod, own.map(({ proxy }) => proxy.address)]));
}

function describeAddresses(addresses: readonly string[]): string | undefined {
  if (addresses.length < 2) return undefined;
  return `proxies at ${addresses.toSorted().join(" and ")} name this pod: one of them is another pod of the same account`;
}

function nameOf({ pod, namespace }: ConnectedProxy["proxy"]): string {
  return `${pod}.${namespace}`;
}

function rowOfProxy({ proxy, controlPlane }: ConnectedProxy, nowMs: number): ProxyRow {
  const { identity, version, connectedSince, lastSent, lastAcknowledged, rejections } = proxy;
  const state = stateOf(proxy);
  const problem = problemOf(proxy, state, nowMs);
  return {
    pod: nameOf(proxy),
    ...{ state, version, controlPlane, identity, connectedSince, rejections },
    ...(lastSent === null ? {} : { lastSent }),
    ...(lastAcknowledged === null ? {} : { lastAcknowledged }),
    resources: Object.fromEntries(proxy.resources.map(({ kind, count }) => [kind, count])),
    ...(problem === undefined ? {} : { problem }),
  };
}

function stateOf({ resources, rejections }: ConnectedProxy["proxy"]): ProxyState {
  if (rejections.length > 0 || resources.some(({ state }) => state === "rejected")) return "rejected";
  return resources.some(({ state }) => state === "stale" || state === "waiting") ? "behind" : "synced";
}

function problemOf(proxy: ConnectedProxy["proxy"], state: ProxyState, nowMs: number): string | undefined {
  if (!proxy.isPodKnown) return "the control plane does not know its pod";
  if (state === "rejected") return "it does not accept a value and keeps the earlier one";
  if (state !== "behind") return undefined;
  const sinceMs = Date.parse(proxy.lastSent ?? proxy.connectedSince);
  return nowMs - sinceMs > BEHIND_LIMIT_MS ? "it has not acknowledged what was sent" : undefined;
}

function rowOfMissing({ name, namespace, version }: ProxyPod, isComplete: boolean): ProxyRow {
  const problem = isComplete
    ? "no control plane has a stream with it: see the log of its container istio-proxy"
    : "none of the control planes that could be asked has a stream with it";
  return { pod: `${name}.${namespace}`, state: "not connected", version, resources: {}, rejections: [], problem };
}

function compare({ pod: left }: ProxyRow, { pod: right }: ProxyRow): number {
  return left < right ? -1 : Number(left > right);
}
