import { apiVersionOf, KINDS } from "../kinds.ts";
import type { KubernetesObject } from "../kubernetes-api.ts";
import { type Fields, isFields } from "../requests/api-response.ts";

/** What a Lease says. Its times were written by another machine's clock, so nothing is computed from them. */
export interface LeaseRecord {
  /** Empty: it was released. */
  readonly holder: string;
  /** How long after its last renewal it stays the holder's. */
  readonly durationMs: number;
  /** How often the holder has changed. */
  readonly transitions: number;
}

/** Where a Lease is. */
export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

/** Of a Lease whose duration cannot be read: client-go's default. */
const DEFAULT_DURATION_MS = 15_000;

/** Reads a Lease that anybody may have written: what cannot be read is as if it were absent. */
export function readLease({ spec }: KubernetesObject): LeaseRecord {
  const fields: Fields = isFields(spec) ? spec : {};
  const { holderIdentity: holder, leaseDurationSeconds: seconds, leaseTransitions: transitions } = fields;
  return {
    holder: typeof holder === "string" ? holder : "",
    durationMs: typeof seconds === "number" && seconds > 0 ? seconds * 1000 : DEFAULT_DURATION_MS,
    transitions: typeof transitions === "number" ? transitions : 0,
  };
}

/** A new Lease that its holder has just acquired. */
export function formatNewLease(name: LeaseName, holder: string, durationMs: number, nowMs: number): KubernetesObject {
  const acquired = { holderIdentity: holder, acquireTime: formatMicroTime(nowMs), leaseTransitions: 0 };
  return {
    apiVersion: apiVersionOf(KINDS.leases),
    kind: KINDS.leases.kind,
    metadata: { ...name },
    spec: { ...acquired, ...formatRenewal(durationMs, nowMs) },
  };
}

/** An existing Lease with another holder. Its version stays, so that a write is a compare-and-swap. */
export function withHolder(
  lease: KubernetesObject,
  holder: string,
  durationMs: number,
  nowMs: number,
): KubernetesObject {
  const transitions = { leaseTransitions: readLease(lease).transitions + 1 };
  return withSpec(lease, {
    ...{ holderIdentity: holder, acquireTime: formatMicroTime(nowMs), ...transitions },
    ...formatRenewal(durationMs, nowMs),
  });
}

/** The same Lease, renewed. */
export function withRenewal(lease: KubernetesObject, durationMs: number, nowMs: number): KubernetesObject {
  return withSpec(lease, formatRenewal(durationMs, nowMs));
}

/** The same Lease, free for anybody at once: without a holder, and as client-go leaves it. */
export function withoutHolder(lease: KubernetesObject, nowMs: number): KubernetesObject {
  return withSpec(lease, { holderIdentity: "", ...formatRenewal(1000, nowMs) });
}

function withSpec(lease: KubernetesObject, changes: Fields): KubernetesObject {
  const spec = lease["spec"];
  return { ...lease, spec: { ...(isFields(spec) ? spec : {}), ...changes } };
}

function formatRenewal(durationMs: number, nowMs: number): Fields {
  // The API takes whole seconds.
  return { leaseDurationSeconds: Math.ceil(durationMs / 1000), renewTime: formatMicroTime(nowMs) };
}

/** Kubernetes' MicroTime, which has six digits behind the second. */
export function formatMicroTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
