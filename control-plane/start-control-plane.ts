import { Registry } from "prom-client";
import { type AuthorityStatus, describeRoots, describeSigner } from "../ca-agent/authority/authority-status.ts";
import { findStrictFaults } from "../ca-agent/authority/strict-faults.ts";
import { registerIssuingService } from "../ca-agent/issuing-service.ts";
import { formatSourceStatus, type SourceStatus } from "../discovery/config-source.ts";
import { startDiscovery } from "../discovery/discovery-service.ts";
import { startAnalysisReport } from "../discovery/report-analysis.ts";
import type { ProxyStatus } from "../discovery/streams/stream-status.ts";
import type { TrustDomain } from "../mesh/identity/spiffe-id.ts";
import type { Clock, Logger, Random } from "../mesh/runtime.ts";
import { createLogLimiter } from "../net/log-limiter.ts";
import { countSockets, startMemoryRelease } from "../net/memory-release.ts";
import { startFederation } from "./federation/start-federation.ts";
import { createIssuing } from "./identity/create-issuing.ts";
import { createTagLookup } from "./identity/known-pods.ts";
import { describeRefusals, type Identity, type IdentityOptions, startIdentity } from "./identity/start-identity.ts";
import { type RevocationParts, startRevocations } from "./identity/start-revocations.ts";
import { type Rotation, type RotationTuning, startRotation } from "./rotation/start-rotation.ts";
import { createControlPlaneMetrics, createReportMetrics } from "./serving/control-plane-metrics.ts";
import { type ControlPlaneServer, startControlPlaneServer } from "./serving/control-plane-server.ts";
import { type Readiness, startStatusServer } from "./serving/status-server.ts";
import type { MeshSettingsSource } from "./settings/live-settings.ts";
import { registerSourceAge, registerTrustAge } from "./source-age.ts";
import { startKeySets } from "./start-key-sets.ts";
import { type SourceOptions, startSource } from "./start-source.ts";
import { createTrustSource } from "./trust-source.ts";

export interface ControlPlaneOptions {
  readonly source: SourceOptions;
  readonly identity: IdentityOptions;
  /** For certificates whose request names no lifetime. */
  readonly defaultLifetimeMs: number;
  readonly maxLifetimeMs: number;
  /** 15012, as istiod's. */
  readonly port: number;
  /** 15014, as istiod's: `/metrics`, `/ready` and `/live`. */
  readonly metricsPort: number;
  /** The names by which sidecars call it; its own certificate carries them. */
  readonly dnsNames: readonly string[];
  /** Of this program, for `/debug/syncz`. */
  readonly version: string;
  readonly settings: MeshSettingsSource;
  /** @default by the lifetimes of certificates */
  readonly rotation?: RotationTuning;
}

export interface ControlPlaneDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Gives the start up. */
  readonly signal: AbortSignal;
}

/**
 * Stops the control plane. It is no longer ready, and serves its clients as before for `acceptMs`, because others still
 * send clients here. Then each client is asked to connect elsewhere, and its streams go on until it has. @default 0
 */
export type StopControlPlane = (acceptMs?: number) => Promise<void>;

/** For each kind of line that callers cause: any pod of the cluster may call. */
const CALLER_LINES_PER_SECOND = 20;

/**
 * Assembles the control plane: the certificate authority and the discovery streams on one port, metrics and readiness
 * on another, which responds from the first moment. Resolves when both listen. Rejects with the signal's reason if that
 * aborts before.
 */
export async function startControlPlane(
  options: ControlPlaneOptions,
  deps: ControlPlaneDeps,
): Promise<StopControlPlane> {
  const { clock, log, signal } = deps;
  const registry = new Registry();
  const state: ControlPlaneState = { readiness: () => STARTING, proxies: () => [], authority: () => undefined };
  const life = new AbortController();
  const giveUp = (): void => life.abort(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  const status = await startStatusServer({
    port: options.metricsPort,
    version: options.version,
    registry,
    readiness: () => (state.isDraining === true ? DRAINING : state.readiness()),
    proxies: () => state.proxies(),
    authority: () => state.authority(),
    awaitingRestart: () => options.settings.awaitingRestart(),
    clock,
    log,
  });
  try {
    const parts = await startParts(options, { ...deps, signal: life.signal, registry, state });
    log.info({ component: "control-plane", source: options.source.kind }, "the control plane is ready");
    return async (acceptMs = 0) => {
      state.isDraining = true;
      if (acceptMs > 0 && parts.connections() > 0) await pause(clock, acceptMs);
      await parts.stop();
      life.abort();
      await parts.ended;
      await status.stop();
    };
  } catch (caught) {
    await status.stop();
    throw caught;
  } finally {
    // From here on the caller stops it.
    signal.removeEventListener("abort", giveUp);
  }
}

function pause(clock: Clock, durationMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, durationMs));
}

/** What the status page shows; replaced as the parts start. */
interface ControlPlaneState {
  readiness: () => Readiness;
  isDraining?: boolean;
  proxies: () => readonly ProxyStatus[];
  authority: () => AuthorityStatus | undefined;
}

const STARTING: Readiness = { isReady: false, text: "the control plane is starting" };
const DRAINING: Readiness = { isReady: false, text: "the control plane is draining" };

/** A control plane that serves an old state is better than none: it stays ready, and says since when. */
function readinessOf(status: SourceStatus): Readiness {
  const isReady = status.kind !== "starting";
  return { isReady, text: status.kind === "current" ? "ready" : formatSourceStatus(status) };
}

interface PartsDeps extends ControlPlaneDeps {
  readonly registry: Registry;
  readonly state: ControlPlaneState;
}

interface Parts {
  connections(): number;
  stop(): Promise<void>;
  /** Settles after the signal's abort, when others need not wait for this process. */
  readonly ended: Promise<void>;
}

async function startParts(options: ControlPlaneOptions, deps: PartsDeps): Promise<Parts> {
  const { clock, log, signal, registry, state } = deps;
  const { settings } = options;
  const initial = settings.current();
  const limitLog = createLogLimiter(clock, CALLER_LINES_PER_SECOND);
  const onWaiting = (reason: string): void => {
    state.readiness = () => ({ isReady: false, text: `the certificate authority is not open: ${reason}` });
  };
  const identity = await startIdentity(options.identity, { ...deps, settings: initial, limitLog, onWaiting });
  const { authority } = identity;
  state.readiness = () => STARTING;
  const onStatus = (sourceStatus: SourceStatus): void => {
    state.readiness = () => readinessOf(sourceStatus);
  };
  const source = await startSource(options.source, { ...deps, onStatus, onUnwritten: createReportMetrics(registry) });
  state.readiness = () => STARTING;
  const stopReport = startAnalysisReport({ source, settings, log, clock });
  const trustDomains = [initial.trustDomain, ...initial.trustDomainAliases];
  const allowsLocal = options.source.kind === "folders";
  // A folder need not contain the pods that run.
  const pods = allowsLocal ? undefined : source;
  const { maxLifetimeMs } = options;
  const revocations = startRevocations({ ...identity, source: pods, trustDomains, maxLifetimeMs, ...deps });
  const federation = startFederation({ ...deps, settings, allowsLocal });
  const trust = createTrustSource({ ...identity, federation, revocations });
  const keySets = startKeySets({ config: source, allowsLocal, ...deps });
  const discovery = startDiscovery({ source, trust, settings, keySets, clock, log, limitLog, shutdown: signal });
  state.proxies = discovery.status;
  const hasTag = createTagLookup(identity.tagPod);
  const issuing = createIssuing(options, { ...identity, pods, revocations, ...deps, limitLog });
  const server = await startControlPlaneServer({
    port: options.port,
    authority,
    trustDomains,
    revocations,
    ...(pods && { hasPod: (caller, tag) => hasTag(pods.current(), caller, tag) }),
    dnsNames: options.dnsNames,
    routes: (router) => {
      registerIssuingService(router, issuing);
      discovery.register(router);
    },
    clock,
    log,
    limitLog,
    metrics: createControlPlaneMetrics(registry),
  });
  const rotation = startRotation({
    ...{ ...deps, ...identity, proxies: discovery.trust, trustDomain: initial.trustDomain },
    ...{ maxLifetimeMs, tuning: options.rotation },
    cluster:
      options.identity.kind === "kubernetes" ? { ...options.identity, namespace: initial.rootNamespace } : undefined,
  });
  state.authority = () => describeAuthority({ ...identity, trustDomains, rotation, revocations });
  const memory = startMemoryRelease({ clock, log, countConnections: countLoad(server) });
  state.readiness = () => readinessOf(source.status());
  registerSourceAge(registry, source, clock);
  if (identity.readings !== undefined) registerTrustAge(registry, identity.readings);
  return {
    connections: () => server.connections,
    ended: rotation.ended,
    stop: async () => {
      await server.close();
      stopReport();
      memory.stop();
    },
  };
}

interface DescribedAuthority extends Pick<Identity, "authority" | "control" | "lists"> {
  readonly trustDomains: readonly TrustDomain[];
  readonly rotation: Rotation;
  readonly revocations: Pick<RevocationParts, "current" | "index">;
}

function describeAuthority({ trustDomains, rotation, revocations, ...identity }: DescribedAuthority): AuthorityStatus {
  const { authority } = identity;
  const { certificates, identities, pods } = revocations.current();
  return {
    roots: describeRoots(authority.roots(), authority.signingRoot()),
    trustDomains,
    signer: describeSigner(authority.signingPath(), revocations.index()),
    rotation: rotation.status() ?? null,
    revoked: { certificates: certificates.length, identities: identities.length, pods: pods?.length ?? 0 },
    refused: describeRefusals(identity),
    warnings: findStrictFaults(authority.signingPath()),
  };
}

/** Connections, and calls since the last count: thousands of streams on one connection use as much memory. */
function countLoad(server: Pick<ControlPlaneServer, "callsBegun">): () => number {
  let before = 0;
  return () => {
    const begun = server.callsBegun();
    const recent = begun - before;
    before = begun;
    return countSockets() + recent;
  };
}
