import { isDeepStrictEqual } from "node:util";
import { apiVersionOf, KINDS } from "../kinds.ts";
import type { KubernetesObject, ObjectName } from "../kubernetes-api.ts";
import { isFields } from "../requests/api-response.ts";

/** A Lease as this process has seen it. */
export interface LeaseObservation {
  readonly lease: KubernetesObject;
  readonly holder: string;
  readonly durationMs: number;
  /** When its present content was first seen, by this machine's monotonic clock. */
  readonly seenMs: number;
}

/**
 * Takes a read Lease over. The times written in it are never compared: the machines' clocks may differ by hours. What
 * counts is how long its content has been the same here.
 */
export function observeLease(
  previous: LeaseObservation | undefined,
  lease: KubernetesObject,
  nowMs: number,
): LeaseObservation {
  const spec = isFields(lease["spec"]) ? lease["spec"] : {};
  const isSame = previous !== undefined && isDeepStrictEqual(previous.lease["spec"], lease["spec"]);
  return {
    lease,
    holder: typeof spec["holderIdentity"] === "string" ? spec["holderIdentity"] : "",
    durationMs: typeof spec["leaseDurationSeconds"] === "number" ? spec["leaseDurationSeconds"] * 1000 : 0,
    seenMs: isSame ? previous.seenMs : nowMs,
  };
}

/** Whether a candidate may write itself into the Lease. */
export function mayTakeLease(
  { holder, durationMs, seenMs }: LeaseObservation,
  identity: string,
  nowMs: number,
): boolean {
  return holder === identity || holder === "" || nowMs - seenMs >= durationMs;
}

export interface LeaseClaim {
  readonly name: ObjectName;
  readonly identity: string;
  readonly durationMs: number;
  /** The wall clock, for people who read the Lease. */
  readonly nowMs: number;
}

/** The Lease with its holder: a new one, a renewed one or one that changes hands. */
export function claimLease(previous: LeaseObservation | undefined, claim: LeaseClaim): KubernetesObject {
  const { name, identity, durationMs, nowMs } = claim;
  const spec = isFields(previous?.lease["spec"]) ? previous.lease["spec"] : {};
  const time = formatMicroTime(nowMs);
  const isRenewal = previous?.holder === identity;
  const transitions = typeof spec["leaseTransitions"] === "number" ? spec["leaseTransitions"] : 0;
  return {
    ...(previous?.lease ?? { apiVersion: apiVersionOf(KINDS.leases), kind: KINDS.leases.kind, metadata: name }),
    spec: {
      ...spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: isRenewal ? spec["acquireTime"] : time,
      renewTime: time,
      leaseTransitions: previous === undefined || isRenewal ? transitions : transitions + 1,
    },
  };
}

/** The Lease without a holder, so that another candidate need not wait. */
export function releaseLease({ lease }: LeaseObservation, nowMs: number): KubernetesObject {
  const spec = isFields(lease["spec"]) ? lease["spec"] : {};
  const time = formatMicroTime(nowMs);
  return { ...lease, spec: { ...spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: time } };
}

/** MicroTime has six digits. */
function formatMicroTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
