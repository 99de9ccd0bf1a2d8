/** Shared by the data plane's tests: a mesh's certificates, and a sidecar's two sides on loopback without iptables. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type MintedCertificate, mintLeaf, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from "../mesh/identity/spiffe-id.ts";
import type {
  DeclaredProtocol,
  Destination,
  Endpoint,
  Inbound,
  MeshDestination,
  ServerMode,
  WorkloadInfo,
} from "../mesh/policy/types.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import type { CapturedConnection } from "./capture/capture-listener.ts";
import type { ConnectionObserver, RefusedConnection } from "./connections/connection-observer.ts";
import type { ConnectionRegistry } from "./connections/connection-registry.ts";
import type { ConnectionLimits } from "./connections/limits/decide-connection-limits.ts";
import type { UpstreamDialer } from "./connections/upstream-dialer.ts";
import { createDataPlane, type DataPlaneOptions } from "./create-data-plane.ts";
import type { HttpContext } from "./http/http-context.ts";
import type { HttpTimeLimits } from "./http/http-limits.ts";
import type { InboundLimits } from "./inbound/inbound-arrival.ts";
import type { OpeningCaps } from "./inbound/opening-limits.ts";
import type { DestinationCacheOptions } from "./outbound/destination-cache.ts";
import type { AccessLogEntry, CountedRequest, RequestMeters } from "./telemetry/request-meter.ts";
import { createSecureContextSource, type SecureContextSource } from "./tls/secure-context-source.ts";

export const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
export const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/default");
export const MESH_ROOT = mintRoot();

const YEAR_MS = 365 * 86_400_000;

export interface IdentityOptions {
  readonly issuer?: MintedCertificate;
  readonly uriSans?: readonly string[];
  readonly notAfter?: Date;
}

/**
 * A source with a certificate of this identity, valid unless the options make it invalid. It trusts the mesh's root.
 */
export function secureContextsOf(identity: SpiffeId, options: IdentityOptions = {}): SecureContextSource {
  const source = createSecureContextSource({
    trust: { roots: [MESH_ROOT.certificate], trustDomains: [parseTrustDomain("cluster.local")] },
    clock: systemClock,
  });
  const leaf = mintLeaf({
    issuer: options.issuer ?? MESH_ROOT,
    uriSans: options.uriSans ?? [identity],
    notBefore: new Date(Date.now() - YEAR_MS),
    notAfter: options.notAfter ?? new Date(Date.now() + YEAR_MS),
  });
  source.setSvid({
    identity,
    certificates: [leaf.certificate],
    privateKeyPem: leaf.keyPem,
    // The attacker's own side accepts it; the peer must reject it.
    notAfterMs: Date.now() + YEAR_MS,
  });
  return source;
}

export const WORKLOAD: WorkloadInfo = {
  namespace: "ns2",
  pod: "world-1",
  workload: "world-tls",
  serviceAccount: "default",
  app: "world",
  version: "v1-tls",
  canonicalService: "world",
  canonicalRevision: "v1-tls",
};

/** Listens on a free port of loopback; its connections end with the test. */
export async function listen(cleanup: Cleanup, onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    cleanup.add(() => socket.destroy());
    onConnection(socket);
  });
  await listening(server, cleanup);
  return portOf(server);
}

async function listening(server: Server, cleanup: Cleanup): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on a port");
  return (address satisfies AddressInfo).port;
}

export interface Recorder extends ConnectionObserver {
  readonly refusals: readonly RefusedConnection[];
  readonly cuts: readonly string[];
  /** Why requests were malformed. */
  readonly faults: readonly string[];
  readonly silences: number;
  nextRefusal(): Promise<RefusedConnection>;
}

/** Records the data plane's events. */
export function createRecorder(): Recorder {
  const refusals: RefusedConnection[] = [];
  const cuts: string[] = [];
  const faults: string[] = [];
  const waiting = new Set<(refusal: RefusedConnection) => void>();
  let silences = 0;
  return {
    refusals,
    cuts,
    faults,
    get silences() {
      return silences;
    },
    opened: () => ({ closed: () => undefined }),
    refused: (refusal) => {
      refusals.push(refusal);
      for (const resolve of waiting) resolve(refusal);
      waiting.clear();
    },
    detectionTimedOut: () => {
      silences += 1;
    },
    cut: (_connection, reason) => void cuts.push(reason),
    malformed: ({ reason }) => void faults.push(reason),
    nextRefusal: () => {
      const [first] = refusals;
      return first === undefined ? new Promise((resolve) => waiting.add(resolve)) : Promise.resolve(first);
    },
  };
}

export interface InboundSide {
  /** Where a client connects, as if iptables had redirected it. */
  readonly port: number;
  readonly registry: ConnectionRegistry;
  readonly recorder: Recorder;
  readonly caps: OpeningCaps;
  readonly http: HttpSide;
  setMode(mode: ServerMode): void;
}

export interface InboundSideOptions {
  readonly mode: ServerMode;
  readonly applicationPort: number;
  readonly secureContexts?: SecureContextSource;
  readonly limits?: Partial<InboundLimits>;
  /** For each cap on connections on which nothing has been delivered. @default 100 */
  readonly openingLimit?: number;
  /** Of all connections. @default 5000 */
  readonly maxConnections?: number;
  /** All of a sidecar's limits, instead of the two above. */
  readonly connectionLimits?: ConnectionLimits;
  /** The declared protocol of the application's port. */
  readonly protocol?: DeclaredProtocol;
  readonly http?: HttpSideOptions;
  /** Called each time the policy is read. */
  readonly onPolicyRead?: () => void;
}

export interface HttpSideOptions {
  readonly limits?: Partial<HttpTimeLimits>;
}

/** The metrics and logs of a side's requests. */
export interface HttpSide {
  readonly context: HttpContext;
  readonly counted: readonly CountedRequest[];
  readonly logged: readonly AccessLogEntry[];
  readonly draining: AbortController;
}

/** Shared by both sides. */
function createPlane(secureContexts: SecureContextSource, options: Partial<DataPlaneOptions>, http?: HttpSideOptions) {
  const recorder = createRecorder();
  const counted: CountedRequest[] = [];
  const logged: AccessLogEntry[] = [];
  const plane = createDataPlane({
    clock: systemClock,
    random: () => 0,
    log: new RecordingLogger(),
    secureContexts,
    observer: recorder,
    meters: { requestMeter: () => ({ count: (request) => void counted.push({ ...request }) }) },
    accessLog: { write: (entry) => void logged.push(entry) },
    discovery: { watch: () => ({ close: () => undefined }) },
    httpLimits: http?.limits ?? {},
    ...options,
  });
  return { plane, recorder, counted, logged };
}

/** An inbound side in front of an application on loopback. */
export async function startInboundSide(cleanup: Cleanup, options: InboundSideOptions): Promise<InboundSide> {
  const limit = options.openingLimit ?? 100;
  const { plane, recorder, counted, logged } = createPlane(
    options.secureContexts ?? secureContextsOf(WORLD),
    {
      connectionLimits: options.connectionLimits ?? {
        ...{ maxUnproved: limit, maxSilentPlaintext: limit, maxSilentVerified: limit },
        maxPerDirection: options.maxConnections ?? 5000,
      },
      timeLimits: { ...SHORT_LIMITS, ...options.limits },
    },
    options.http,
  );
  cleanup.add(() => plane.close());
  let mode = options.mode;
  const inbound = (): Inbound => {
    options.onPolicyRead?.();
    return {
      workload: WORKLOAD,
      defaultMode: { mode, rule: `PeerAuthentication/${mode.toLowerCase()}.ns2` },
      ports:
        options.protocol === undefined
          ? []
          : [
              {
                port: options.applicationPort,
                mode: { mode, rule: "PeerAuthentication/port.ns2" },
                protocol: options.protocol,
                service: undefined,
              },
            ],
    };
  };
  const draining = new AbortController();
  const sidecar = { inbound, workload: () => WORKLOAD, draining: draining.signal };
  const { inbound: handle, http: context } = plane.createSidecar(sidecar);
  const port = await listenCaptured(cleanup, options.applicationPort, handle);
  const setMode = (next: ServerMode): void => {
    mode = next;
    plane.policyChanged();
  };
  const { registry, caps } = plane;
  return { port, registry, recorder, caps, http: { context, counted, logged, draining }, setMode };
}

/** Shorter waits than a sidecar's. */
const SHORT_LIMITS: InboundLimits = {
  handshakeTimeoutMs: 5000,
  silenceMs: 50,
  silenceTimeoutMs: 60_000,
  connectTimeoutMs: 2000,
  halfOpenIdleMs: 60_000,
};

export interface OutboundSide {
  readonly port: number;
  readonly registry: ConnectionRegistry;
  readonly recorder: Recorder;
  readonly http: HttpSide;
  setDestination(destination: Destination): void;
}

export interface OutboundSideOptions {
  readonly destination: Destination | undefined;
  readonly secureContexts?: SecureContextSource;
  readonly resolveTimeoutMs?: number;
  /** Of all connections. @default 5000 */
  readonly maxConnections?: number;
  /** The original destination's port, for pass-through. @default 1 */
  readonly originalPort?: number;
  readonly http?: HttpSideOptions;
}

/** An outbound side whose connections all go to one destination. */
export async function startOutboundSide(cleanup: Cleanup, options: OutboundSideOptions): Promise<OutboundSide> {
  const { watch, setDestination } = createWatch(options.destination);
  const { plane, recorder, counted, logged } = createPlane(
    options.secureContexts ?? secureContextsOf(HELLO),
    {
      discovery: { watch, resolveTimeoutMs: options.resolveTimeoutMs ?? 5000 },
      connectionLimits: { maxPerDirection: options.maxConnections ?? 5000 },
      timeLimits: SHORT_LIMITS,
      dialerLimits: { connectTimeoutMs: 500 },
    },
    options.http,
  );
  cleanup.add(() => plane.close());
  const draining = new AbortController();
  const inbound = (): Inbound => ({ workload: WORKLOAD, defaultMode: { mode: "STRICT", rule: "none" }, ports: [] });
  const sidecar = { inbound, workload: () => undefined, draining: draining.signal };
  const { outbound: handle, http: context } = plane.createSidecar(sidecar);
  const port = await listenCaptured(cleanup, options.originalPort ?? 1, handle);
  return { port, registry: plane.registry, recorder, http: { context, counted, logged, draining }, setDestination };
}

export interface TestUpstreamDialer {
  readonly dialer: UpstreamDialer;
  setDestination(destination: Destination): void;
}

/** A gateway's upstream dialler, all of whose connections go to one destination. */
export function createTestUpstreamDialer(
  cleanup: Cleanup,
  options: { readonly destination: Destination; readonly meters: RequestMeters },
): TestUpstreamDialer {
  const { watch, setDestination } = createWatch(options.destination);
  const { plane } = createPlane(secureContextsOf(HELLO), { discovery: { watch }, meters: options.meters });
  cleanup.add(() => plane.close());
  return { dialer: plane.createUpstreamDialer(() => undefined), setDestination };
}

/** A control plane with one destination. @param first `undefined`: it does not respond. */
function createWatch(first: Destination | undefined) {
  const listeners = new Set<(destination: Destination) => void>();
  let current = first;
  const watch: DestinationCacheOptions["watch"] = (_target, listener) => {
    listeners.add(listener);
    if (current !== undefined) listener(current);
    return { close: () => void listeners.delete(listener) };
  };
  const setDestination = (destination: Destination): void => {
    current = destination;
    for (const listener of listeners) listener(destination);
  };
  return { watch, setDestination };
}

async function listenCaptured(
  cleanup: Cleanup,
  originalPort: number,
  handle: (connection: CapturedConnection) => void,
): Promise<number> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on("error", () => undefined);
    cleanup.add(() => socket.destroy());
    handle({ socket, destination: { ip: "127.0.0.1", port: originalPort } });
  });
  await listening(server, cleanup);
  return portOf(server);
}

/** A destination `world.ns2:8080` whose endpoints are these ports on loopback. */
export function meshDestination(
  ports: readonly number[],
  options: {
    readonly mutualTls?: boolean;
    readonly identities?: readonly SpiffeId[];
    readonly overrides?: Partial<MeshDestination>;
  } = {},
): MeshDestination {
  const endpoints = ports.map(
    (port): Endpoint => ({ ip: "127.0.0.1", port, mutualTls: options.mutualTls ?? true, workload: WORKLOAD }),
  );
  return {
    kind: "mesh",
    host: "world.ns2.svc.cluster.local",
    port: 8080,
    subset: "",
    protocol: undefined,
    sni: "outbound_.8080_._.world.ns2.svc.cluster.local",
    identities: options.identities ?? [WORLD],
    tlsRule: "DestinationRule/enable-mtls.default",
    endpoints,
    service: undefined,
    routes: [],
    ...options.overrides,
  };
}

/** Starts to connect a raw client, which may be reset at once; it is closed with the test. */
export function connectClient(cleanup: Cleanup, port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  cleanup.add(() => socket.destroy());
  return socket;
}

/** Everything that a socket receives until it is closed or reset; `reset` distinguishes the two. */
export async function readAll(socket: Socket): Promise<{ readonly text: string; readonly reset: boolean }> {
  const chunks: Buffer[] = [];
  return await new Promise((resolve) => {
    const finish = (reset: boolean): void => resolve({ text: Buffer.concat(chunks).toString("latin1"), reset });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("end", () => finish(false));
    socket.once("error", () => finish(true));
    socket.once("close", () => finish(true));
  });
}
