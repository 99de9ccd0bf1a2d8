import { randomBytes } from "node:crypto";
import type { Registry } from "prom-client";
import type { LiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import type { CompareClock } from "../../ca-agent/authority/root-clock.ts";
import { startSecretAuthority } from "../../ca-agent/authority/secrets/start-secret-authority.ts";
import { watchAuthorityDirectory } from "../../ca-agent/authority/watch-authority-directory.ts";
import { createConfigMapControlStore } from "../../ca-agent/control/config-map-control-store.ts";
import type { ControlFollower, ControlStore } from "../../ca-agent/control/control-store.ts";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { followConfigMapControl } from "../../ca-agent/control/follow-config-map-control.ts";
import { followFileControl } from "../../ca-agent/control/follow-file-control.ts";
import { createIdentityMetrics } from "../../ca-agent/issuing-metrics.ts";
import { followDirectoryLists, followSecretLists } from "../../ca-agent/revocation/lists/follow-lists.ts";
import type { LiveLists } from "../../ca-agent/revocation/lists/live-lists.ts";
import { type TagPod, tagPodByUid } from "../../ca-agent/revocation/pod-name.ts";
import type { AuthorityStore } from "../../ca-agent/rotation/storage/authority-store.ts";
import { createDirectoryStore } from "../../ca-agent/rotation/storage/directory-store.ts";
import { createSecretStore } from "../../ca-agent/rotation/storage/secret-store.ts";
import { startRootDistribution } from "../../ca-agent/trust-distribution/distribute-roots.ts";
import type { Authenticator } from "../../ca-agent/workload-auth/authenticator.ts";
import { createJwtAuthenticator } from "../../ca-agent/workload-auth/jwt-authenticator.ts";
import { createTokenReviewAuthenticator } from "../../ca-agent/workload-auth/token-review-authenticator.ts";
import { runCall } from "../../kubernetes/bounded-call.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { tagOfPodName } from "../../mesh/identity/pod-tag.ts";
import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import type { TrustReadings } from "../../mesh/policy/authentication/trust-readings.ts";
import type { Clock, Logger, LogLimiter, Random } from "../../mesh/runtime.ts";

/** Where the certificate authority is, and who judges the workloads' tokens. */
export type IdentityOptions =
  | {
      readonly kind: "files";
      /** The authority's files, or where a root that is generated at the first start is stored. */
      readonly caDirectory: string;
      /** Public keys of the service account tokens' issuer (RFC 7517). */
      readonly jwksFile: string;
      readonly tokenIssuer: string;
    }
  /** The authority is in a Secret of the root namespace, and the API judges tokens. */
  | {
      readonly kind: "kubernetes";
      readonly api: KubernetesApi;
      /** Names this process among those that share the authority: its pod. */
      readonly instance: string;
      /** How long a new root is published before it signs. @default 180,000 */
      readonly publishMs?: number;
      /** How far the API server's clock is ahead of this process's. @default they are the same */
      readonly readClock?: (signal: AbortSignal) => Promise<number>;
    };

export interface IdentityDeps {
  readonly settings: MeshSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
  readonly registry: Registry;
  /** Called with the reason while the authority cannot be opened yet. */
  readonly onWaiting: (reason: string) => void;
  readonly signal: AbortSignal;
}

/** Everything that gives workloads their identity. It follows changes until the signal aborts. */
export interface Identity {
  readonly authority: LiveAuthority;
  readonly authenticator: Authenticator;
  /** What an operator asks of the authority. */
  readonly control: ControlFollower;
  /** How certificates name their pods. */
  readonly tagPod: TagPod;
  /** Where it is kept. */
  readonly controlStore: ControlStore;
  /** Where the authority is kept. */
  readonly authorityStore: AuthorityStore;
  /** The operator's certificate revocation lists. */
  readonly lists: LiveLists;
  /** Absent: there is no other clock, or it is this process's own. */
  readonly compareClock?: CompareClock | undefined;
  /** What of that was read, and how long ago; undefined: from files, which one process reads. */
  readonly readings?: () => Omit<TrustReadings, "controlPlane">;
}

/**
 * Resolves once the authority is open, and what operators ask of it is known: in Kubernetes it waits for the API and for a
 * usable Secret.
 */
export async function startIdentity(options: IdentityOptions, deps: IdentityDeps): Promise<Identity> {
  return options.kind === "files" ? await startFromFiles(options, deps) : await startInCluster(options, deps);
}

/** What is stored and not in force in this process, with the reason and the fix. */
export function describeRefusals({ authority, control, lists }: Pick<Identity, "authority" | "control" | "lists">) {
  const describe = (what: string, reason: string | undefined): readonly string[] =>
    reason === undefined ? [] : [`${what}: ${reason}`];
  return [
    ...describe("refuses the stored authority, and goes on with the one before", authority.refusal()),
    ...describe("refuses what is stored in entente-ca, and goes on with the state before", control.fault()),
    ...describe("refuses the revocation lists, and goes on with those before", lists.fault()),
  ];
}

async function startFromFiles(
  { caDirectory, jwksFile, tokenIssuer: issuer }: Extract<IdentityOptions, { kind: "files" }>,
  { settings: { trustDomain, trustDomainAliases }, clock, random, log, registry, onWaiting, signal }: IdentityDeps,
): Promise<Identity> {
  const trustDomains = [trustDomain, ...trustDomainAliases];
  const metrics = createIdentityMetrics(registry);
  const authority = await openAuthority({ directory: caDirectory, trustDomain, clock, log });
  metrics.watchRefusals(authority);
  const watch = watchAuthorityDirectory(authority, caDirectory, {
    ...{ trustDomain, clock, log, randomBytes },
    onChange: metrics.authorityChanged,
  });
  const stop = (): void => {
    watch.stop();
    authority.stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  const followed = { clock, random, log, onWaiting, signal };
  return {
    authority,
    authenticator: createJwtAuthenticator({ jwksFile, issuer, trustDomain, clock, log }),
    // No API server gives pods a uid that an operator could look up: a pod is its name.
    tagPod: tagOfPodName,
    control: await followFileControl({ directory: caDirectory, trustDomains, ...followed }),
    controlStore: createFileControlStore(caDirectory, { clock, random }),
    authorityStore: createDirectoryStore({ directory: caDirectory, clock, log, onStored: watch.lookNow }),
    lists: await followDirectoryLists(caDirectory, { authority, ...followed }),
  };
}

async function startInCluster(
  { api, publishMs, readClock }: Extract<IdentityOptions, { kind: "kubernetes" }>,
  deps: IdentityDeps,
): Promise<Identity> {
  const { settings, clock, random, log, limitLog, registry, signal, onWaiting } = deps;
  const { reviewed: onReview, authorityChanged: onChange, watchRefusals } = createIdentityMetrics(registry);
  const { trustDomain, trustDomainAliases, rootNamespace: namespace } = settings;
  const shared = { api, clock, random, log, signal };
  const kept = { ...shared, namespace, randomBytes };
  const compareClock = readClock && createClockComparison(readClock, shared);
  const authorityOptions = { ...kept, trustDomain, onWaiting, onChange, publishMs, compareClock };
  const { authority, readings } = await startSecretAuthority(authorityOptions);
  watchRefusals(authority);
  const trustDomains = [trustDomain, ...trustDomainAliases];
  const control = await followConfigMapControl({ ...kept, trustDomains, onWaiting });
  startRootDistribution({
    ...shared,
    limitLog,
    ownerNamespace: namespace,
    roots: { current: authority.roots, subscribe: authority.subscribe },
  });
  const { lists, ...listed } = await followSecretLists({ ...shared, namespace, authority, onWaiting });
  return {
    authority,
    authenticator: createTokenReviewAuthenticator({ api, trustDomain, clock, log, limitLog, onReview }),
    tagPod: tagPodByUid,
    control,
    controlStore: createConfigMapControlStore(kept),
    authorityStore: createSecretStore({ api, namespace }),
    lists,
    compareClock,
    readings: () => ({ ...readings(), revocations: control.reading(), lists: listed.reading() }),
  };
}

const CLOCK_LIMIT_MS = 10_000;

function createClockComparison(
  readClock: (signal: AbortSignal) => Promise<number>,
  deps: Pick<IdentityDeps, "clock" | "random" | "signal">,
): CompareClock {
  const limits = { ...deps, what: "the API server's clock", isIdempotent: true, timeoutMs: CLOCK_LIMIT_MS };
  return () => runCall(limits, readClock);
}
