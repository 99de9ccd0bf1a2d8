import { X509Certificate } from "node:crypto";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import { Server as NetServer } from "node:net";
import type { Authority, ServingPair } from "../../ca-agent/authority/authority.ts";
import { startServingCertificate } from "../../ca-agent/authority/serving-certificate.ts";
import type { PeerContext, VerifiedPeer } from "../../mesh/api/peer-context.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { errnoOf, MeshError } from "../../mesh/mesh-error.ts";
import type { RevocationIndex } from "../../mesh/policy/authentication/revocations.ts";
import { readDescriptorLimit } from "../../net/descriptor-limit.ts";
import { listen } from "../../net/listen.ts";
import { keepPeerCertificates } from "../../net/tls/peer-certificates.ts";
import { setServerContext, type TlsMaterial } from "../../net/tls/tls-contexts.ts";
import { createControlPlaneConnections } from "./control-plane-connections.ts";
import { type ControlPlaneLimits, DEFAULT_LIMITS, limitByDescriptors } from "./control-plane-limits.ts";
import type { ControlPlaneMetrics } from "./control-plane-metrics.ts";
import { judgePeer, type PeerRules } from "./judge-peer.ts";
import { type ServeCallsOptions, type ServedCalls, serveCalls } from "./serve-calls.ts";

export interface ControlPlaneServerOptions extends ServeCallsOptions, Pick<PeerRules, "hasPod"> {
  /** @default every address */
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  readonly authority: Pick<Authority, "signServing" | "roots" | "subscribe">;
  /** The names that clients call the server by. */
  readonly dnsNames: readonly string[];
  /** The trust domains of callers; the first is the mesh's own. */
  readonly trustDomains: readonly TrustDomain[];
  /** Which peers are refused although their certificate is valid. @default none */
  readonly revocations?: ServedRevocations;
  readonly limits?: Partial<ControlPlaneLimits>;
  /** Of the serving certificate. @default 24 hours */
  readonly servingLifetimeMs?: number;
}

/** What is revoked, and a cheap look at whether it may concern a peer that was verified before. */
export interface ServedRevocations {
  index(): RevocationIndex;
  readonly concern: (peer: VerifiedPeer) => boolean;
  subscribe(listener: () => void): () => void;
}

/** Bearer tokens are the largest header; up to 16 KiB are read. */
const MAX_HEADER_BYTES = 32 * 1024;
const KEEP_ALIVE_MS = 30_000;

export interface ControlPlaneServer {
  readonly port: number;
  /** Calls since the start, including refused ones. */
  callsBegun(): number;
  readonly connections: number;
  /**
   * Stops accepting, and asks each client to connect elsewhere (GOAWAY) while its calls go on here. Resolves when all
   * connections are closed.
   */
  close(): Promise<void>;
}

/**
 * Serves gRPC over HTTP/2 and TLS. A client certificate is requested but not required, because the first certificate is
 * requested without one. Each handler decides by the caller's identity. Rejects with a NetError if it cannot listen.
 */
export async function startControlPlaneServer(options: ControlPlaneServerOptions): Promise<ControlPlaneServer> {
  const { authority, clock, log } = options;
  const limits = limitByDescriptors({ ...DEFAULT_LIMITS, ...options.limits }, readDescriptorLimit());
  const serving = startServingCertificate({
    authority,
    dnsNames: options.dnsNames,
    clock,
    log,
    ...(options.servingLifetimeMs === undefined ? {} : { lifetimeMs: options.servingLifetimeMs }),
  });
  const connections = createControlPlaneConnections({ limits, clock, log, metrics: options.metrics });
  const shutdown = new AbortController();
  const server = createServer(limits);
  const refresh = (): void => setServerContext(server, tlsMaterial(serving.current(), authority.roots()));
  refresh();
  handleConnections(server, { connections, limits, options });
  const calls = serveCalls(server, { connections, limits, options, shutdownSignal: shutdown.signal });
  const { revocations } = options;
  const judge = (session: ServerHttp2Session): PeerContext => judgePeer(session, options);
  const unsubscribe = [
    serving.subscribe(refresh),
    authority.subscribe(refresh),
    onRootRemoved(authority, () => connections.judgeAgain(judge)),
    revocations?.subscribe(() => {
      connections.judgeAgain(judge, revocations.concern);
      // Proxies have left; lifting the revocation could not reach them by this certificate.
      const own = new X509Certificate(serving.current().certificateChainPem);
      if (revocations.index().find([own]) !== undefined) serving.renew();
    }) ?? (() => undefined),
  ];
  const stopRenewing = (): void => {
    serving.stop();
    for (const stop of unsubscribe) stop();
  };
  const onError = (error: Error): void =>
    log.error({ component: "control-plane", code: errnoOf(error) }, error.message);
  const port = await listen(server, { port: options.port, host: options.host, onError }).catch((caught: unknown) => {
    stopRenewing();
    throw caught;
  });
  log.info({ component: "control-plane", port, dnsNames: options.dnsNames }, "control plane is listening");
  return {
    port,
    callsBegun: () => calls.begun,
    get connections() {
      return connections.size;
    },
    close: async () => {
      stopRenewing();
      // Without HTTP/2's own `close`, which would end all sessions in the same moment.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
      connections.closeAll();
      await closed;
      shutdown.abort(new Error("the control plane is shutting down"));
    },
  };
}

/** `setServerContext` gives it its certificate. */
function createServer(limits: ControlPlaneLimits): Http2SecureServer {
  return createSecureServer({
    requestCert: true,
    // `judgePeer` decides: Node's own verdict hides the reason, and trusts resumed sessions.
    rejectUnauthorized: false,
    ALPNCallback: keepPeerCertificates("h2"),
    handshakeTimeout: limits.handshakeTimeoutMs,
    maxSessionMemory: 10,
    // A pod that keeps dialling new addresses cancels as many streams as it opens, so calls are limited instead
    // (CVE-2023-44487).
    streamResetBurst: 2 * limits.callBurst,
    streamResetRate: limits.callsPerSecond,
    // The limit of unauthenticated clients; it is raised once a certificate is verified.
    settings: { maxConcurrentStreams: limits.maxStreamsOfUnverified, maxHeaderListSize: MAX_HEADER_BYTES },
  });
}

/** Peers are judged by the roots of their handshake, so a root that is removed must end what it has proved. */
function onRootRemoved(authority: ControlPlaneServerOptions["authority"], action: () => void): () => void {
  let before = authority.roots();
  return authority.subscribe(() => {
    const now = authority.roots();
    const isRemoved = before.some((root) => !now.includes(root));
    before = now;
    if (isRemoved) action();
  });
}

function tlsMaterial(pair: ServingPair, roots: readonly string[]): TlsMaterial {
  return { cert: pair.certificateChainPem, key: pair.privateKeyPem, ca: roots.join("\n") };
}

interface ServedConnections extends Omit<ServedCalls, "options" | "shutdownSignal"> {
  readonly options: ControlPlaneServerOptions;
}

function handleConnections(server: Http2SecureServer, { connections, limits, options }: ServedConnections): void {
  server.maxConnections = limits.maxConnections;
  server.on("connection", (socket) => {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    connections.opened(socket);
  });
  server.on("session", (session) => {
    session.on("error", () => session.destroy());
    try {
      const peer = judgePeer(session, options);
      connections.established(session, peer);
      if (peer.kind === "verified") session.settings({ maxConcurrentStreams: limits.maxStreamsOfVerified });
    } catch (caught) {
      // A closed session throws, and an error here would end the process (CVE-2026-21637).
      options.log.debug({ component: "control-plane", reason: MeshError.from(caught).message }, "a session was lost");
      session.destroy();
    }
  });
  countRefusals(server, options.metrics);
}

/** Clients that do not speak HTTP/2 within TLS are closed and counted; they are not logged. */
function countRefusals(server: Http2SecureServer, metrics: ControlPlaneMetrics | undefined): void {
  server.on("tlsClientError", (error, socket) => {
    const code = errnoOf(error);
    // The handshake did not complete: the client disconnected, or was displaced.
    if (code !== "ECONNRESET") {
      metrics?.connectionRefused(code === "ERR_TLS_HANDSHAKE_TIMEOUT" ? "handshake_timeout" : "handshake_failed");
    }
    socket.destroy();
  });
  server.on("sessionError", () => metrics?.connectionRefused("protocol_error"));
  server.on("unknownProtocol", (socket) => {
    metrics?.connectionRefused("no_http2");
    socket.destroy();
  });
  server.on("drop", () => metrics?.connectionRefused("too_many"));
}
