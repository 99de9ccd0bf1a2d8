import type { Registry } from "prom-client";
import {
  LiveRevocations,
  type RevocableCaller,
  type RevokedCaller,
} from "../../ca-agent/revocation/live-revocations.ts";
import { createRevocationReport } from "../../ca-agent/revocation/report-revocations.ts";
import { registerRevocationMetrics } from "../../ca-agent/revocation/revocation-metrics.ts";
import { startTidyRevocations } from "../../ca-agent/revocation/tidy-revocations.ts";
import type { ConfigSource } from "../../discovery/config-source.ts";
import type { VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { readPodTag } from "../../mesh/identity/pod-tag.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { indexRevocations, type RevocationIndex } from "../../mesh/policy/authentication/revocations.ts";
import type { Revocations } from "../../mesh/policy/types.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { findPod } from "./known-pods.ts";
import type { Identity } from "./start-identity.ts";

export interface RevocationOptions
  extends Pick<Identity, "control" | "controlStore" | "lists" | "tagPod" | "compareClock"> {
  /** The pods that run; undefined: the source does not know all of them. */
  readonly source: Pick<ConfigSource, "current"> | undefined;
  /** The mesh's own and its aliases. */
  readonly trustDomains: readonly TrustDomain[];
  /** The longest that a certificate is issued for. */
  readonly maxLifetimeMs: number;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Everything that follows from what is revoked, for the parts of a control plane. */
export interface RevocationParts {
  /** For the trust bundle of every proxy. */
  current(): Revocations;
  /** The same, for the control plane's own listener. */
  index(): RevocationIndex;
  /** Whether a certificate with such a serial number, its pod or the identity is revoked. The index knows of which issuer. */
  concern(peer: VerifiedPeer): boolean;
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
  /** For the issuing service. */
  findRevoked(caller: RevocableCaller): RevokedCaller | undefined;
}

/** Follows what is revoked until the signal aborts. */
export function startRevocations(options: RevocationOptions): RevocationParts {
  const { control, controlStore: store, lists, source, maxLifetimeMs, registry, clock, log } = options;
  const live = new LiveRevocations({ ...options, onChange: createRevocationReport(log, () => clock.now()) });
  registerRevocationMetrics(registry, { control, lists, revocations: live });
  const facts = () => ({
    ...{ nowMs: clock.now(), maxLifetimeMs },
    findPod: findPod(source?.current()),
  });
  startTidyRevocations({ ...options, store, facts });
  let revoked = lookUp(live.current());
  live.subscribe(() => {
    revoked = lookUp(live.current());
  });
  return {
    current: () => live.current(),
    index: () => revoked.index,
    concern: ({ identity, certificate: { serialNumber, authorities } }) =>
      revoked.identities.has(identity) ||
      revoked.pods.has(readPodTag(serialNumber)) ||
      [serialNumber, ...authorities].some((one) => revoked.serialNumbers.has(one)),
    subscribe: (listener) => live.subscribe(listener),
    findRevoked: (caller) => live.findRevoked(caller),
  };
}

function lookUp(revocations: Revocations) {
  return {
    index: indexRevocations(revocations),
    serialNumbers: new Set(revocations.certificates.map(({ serialNumber }) => serialNumber)),
    identities: new Set(revocations.identities),
    pods: new Set<string | undefined>(revocations.pods),
  };
}
