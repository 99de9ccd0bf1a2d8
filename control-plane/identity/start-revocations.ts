import type { Registry } from "prom-client";
import type { IssuedTo } from "../../ca-agent/issuing-service.ts";
import { IssuedCertificates } from "../../ca-agent/revocation/issued-certificates.ts";
import {
  LiveRevocations,
  type RevocableCaller,
  type RevokedCaller,
} from "../../ca-agent/revocation/live-revocations.ts";
import { isSamePod, type PodName } from "../../ca-agent/revocation/pod-name.ts";
import { PodRevocations } from "../../ca-agent/revocation/pod-revocations.ts";
import { createRevocationReport } from "../../ca-agent/revocation/report-revocations.ts";
import { registerRevocationMetrics } from "../../ca-agent/revocation/revocation-metrics.ts";
import { startTidyRevocations } from "../../ca-agent/revocation/tidy-revocations.ts";
import type { CertificateDescription } from "../../ca-agent/x509/describe-certificate.ts";
import type { ConfigSource } from "../../discovery/config-source.ts";
import type { ConnectedProxy } from "../../discovery/streams/served-proxy.ts";
import type { VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { type SpiffeId, spiffeIdParts, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { indexRevocations, type RevocationIndex } from "../../mesh/policy/authentication/revocations.ts";
import type { Revocations } from "../../mesh/policy/types.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { findPodsAt } from "./known-pods.ts";
import type { Identity } from "./start-identity.ts";

export interface RevocationOptions extends Pick<Identity, "control" | "controlStore" | "lists"> {
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
  /** Whether a certificate with such a serial number, or the identity, is revoked. The index knows of which issuer. */
  concern(peer: VerifiedPeer): boolean;
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
  /** For the issuing service. */
  readonly issuing: {
    findRevoked(caller: RevocableCaller): RevokedCaller | undefined;
    findPods(peer: VerifiedPeer): readonly PodName[];
    onIssued(certificate: CertificateDescription, to: IssuedTo): void;
  };
  /** A proxy has named its pod, and has presented a certificate. */
  onProxy(proxy: ConnectedProxy): void;
}

/** Of one certificate: who invents names of pods must not make the certificates of others be forgotten. */
const MAX_NAMED_PODS = 8;

/** Follows what is revoked until the signal aborts. */
export function startRevocations(options: RevocationOptions): RevocationParts {
  const { control, controlStore: store, lists, trustDomains, maxLifetimeMs, registry, clock, log } = options;
  const pods = new KnownPods(options.source);
  const issued = new IssuedCertificates();
  const ofPods = new PodRevocations({ ...options, store, issued });
  const onChange = createRevocationReport(log, () => clock.now());
  const live = new LiveRevocations({ ...options, pods: ofPods, lists, trustDomains, onChange });
  registerRevocationMetrics(registry, { control, lists, revocations: live });
  const facts = () => ({
    ...{ nowMs: clock.now(), maxLifetimeMs },
    findExpiry: (serialNumber: string) => issued.find(serialNumber)[0]?.notAfterMs,
    isPodThere: (pod: PodName) => pods.isThere(pod),
  });
  startTidyRevocations({ ...options, store, facts });
  let revoked = lookUp(live.current());
  live.subscribe(() => {
    revoked = lookUp(live.current());
  });
  const record = (of: readonly PodName[], serialNumber: string, notAfterMs: number): void => {
    for (const pod of of) issued.record({ serialNumber, notAfterMs, pod }, clock.now());
  };
  const findPods = ({ identity, address, certificate }: VerifiedPeer): readonly PodName[] => [
    ...issued.find(certificate.serialNumber).map(({ pod }) => pod),
    ...pods.at(identity, address),
  ];
  return {
    current: () => live.current(),
    index: () => revoked.index,
    concern: ({ identity, certificate: { serialNumber, authorities } }) =>
      revoked.identities.has(identity) || [serialNumber, ...authorities].some((one) => revoked.serialNumbers.has(one)),
    subscribe: (listener) => live.subscribe(listener),
    issuing: {
      findRevoked: (caller) => live.findRevoked(caller),
      findPods,
      onIssued: ({ serialNumber, notAfter }, { identity, pod, renewed }) => {
        const { namespace } = spiffeIdParts(identity);
        const of = pod === undefined ? (renewed === undefined ? [] : findPods(renewed)) : [{ namespace, ...pod }];
        record(of, serialNumber, Date.parse(notAfter));
      },
    },
    onProxy: ({ namespace, pod: name, caller }) => {
      const { serialNumber } = caller.certificate;
      // It may name any pod of its account, and invent names; its address names the pod that it is.
      const named = issued.find(serialNumber).length < MAX_NAMED_PODS ? [pods.complete({ namespace, name })] : [];
      record([...named, ...pods.at(caller.identity, caller.address)], serialNumber, caller.notAfterMs);
    },
  };
}

function lookUp(revocations: Revocations) {
  return {
    index: indexRevocations(revocations),
    serialNumbers: new Set(revocations.certificates.map(({ serialNumber }) => serialNumber)),
    identities: new Set(revocations.identities),
  };
}

/** The pods of the configuration, by name and by address. */
class KnownPods {
  readonly #source: Pick<ConfigSource, "current"> | undefined;

  constructor(source: Pick<ConfigSource, "current"> | undefined) {
    this.#source = source;
  }

  at(identity: SpiffeId, address: string): readonly PodName[] {
    return this.#source === undefined ? [] : findPodsAt(this.#source.current(), identity, address).map(nameOf);
  }

  /** With the uid of the pod that has this name now. A pod that is not known keeps its unknown uid, which may be any. */
  complete(pod: PodName): PodName {
    const found = this.#source?.current().pods.get(`${pod.namespace}/${pod.name}`);
    return found === undefined ? pod : nameOf(found);
  }

  isThere(pod: PodName): boolean | undefined {
    if (this.#source === undefined) return undefined;
    const found = this.#source.current().pods.get(`${pod.namespace}/${pod.name}`);
    return found !== undefined && isSamePod(nameOf(found), pod);
  }
}

function nameOf({ metadata: { namespace, name, uid } }: Pod): PodName {
  return { namespace, name, ...(uid !== undefined && { uid }) };
}
