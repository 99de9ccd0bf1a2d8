/** A control plane on loopback and callers for it. For tests alone. */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import type { EventEmitter } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { type ConnectRouter, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { exportJWK, SignJWT } from "jose";
import { Registry } from "prom-client";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { registerIssuingService } from "../../ca-agent/issuing-service.ts";
import { tagPodByUid } from "../../ca-agent/revocation/pod-name.ts";
import { createJwtAuthenticator } from "../../ca-agent/workload-auth/jwt-authenticator.ts";
import { Changing, ChangingSource, pod, settings } from "../../discovery/discovery-fixture.ts";
import { startDiscovery } from "../../discovery/discovery-service.ts";
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from "../../discovery/streams/stream-limits.ts";
import { IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { type Clock, type LogLimiter, systemClock } from "../../mesh/runtime.ts";
import { fixedSettings } from "../settings/live-settings.ts";
import type { ControlPlaneLimits } from "./control-plane-limits.ts";
import { createControlPlaneMetrics } from "./control-plane-metrics.ts";
import {
  type ControlPlaneServer,
  type ControlPlaneServerOptions,
  startControlPlaneServer,
} from "./control-plane-server.ts";

export interface FixtureOptions {
  readonly limits?: Partial<ControlPlaneLimits>;
  /** @default the issuing service */
  readonly routes?: (router: ConnectRouter) => void;
  /** @default every line is written */
  readonly limitLog?: LogLimiter;
  /** @default each is */
  readonly hasPod?: ControlPlaneServerOptions["hasPod"];
  /** @default the machine's */
  readonly clock?: Clock;
  /** @default a new self-signed one */
  readonly authority?: Authority;
}

/** A certificate chain and its key, PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** As `localAddress` of `node:net`: the address that the control plane sees. */
export type DialOptions = ConnectionOptions & { readonly localAddress?: string };

export interface Ask {
  readonly bearer?: string;
  readonly csr?: string;
  readonly seconds?: bigint;
  /** As `localAddress` of `node:net`. @default "127.0.0.1" */
  readonly localAddress?: string;
  /** Shown in the handshake. */
  readonly certificate?: ClientCertificate;
}

export interface ControlPlaneFixture {
  readonly server: ControlPlaneServer;
  readonly authority: Authority;
  readonly log: RecordingLogger;
  /** A metric's current value, by its name and labels as exposed; 0 if there is none. */
  metric(name: string): Promise<number>;
  token(expires?: string): Promise<string>;
  /** A request made by openssl; the arguments choose another key than the fixture's own. */
  csr(...keyArgs: readonly string[]): string;
  /** Calls CreateCertificate with a client that has only Istio's protocol and the root. */
  ask(request: Ask): Promise<readonly string[]>;
  /** One after another. @param podUid of its pod @default the same for each */
  workload(lifetimeMs?: number, podUid?: string): Promise<ClientCertificate>;
  dialTls(options?: DialOptions): TLSSocket;
  dialHttp2(options?: DialOptions): ClientHttp2Session;
  stop(): Promise<void>;
}

const ISSUER = "https://kubernetes.default.svc";
const TRUST_DOMAIN = parseTrustDomain("cluster.local");
const HOUR_MS = 3_600_000;
const P256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
export const CREATE_CERTIFICATE_PATH = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

export async function startControlPlaneFixture(options: FixtureOptions = {}): Promise<ControlPlaneFixture> {
  const folder = mkdtempSync(join(tmpdir(), "entente-control-plane-"));
  const log = new RecordingLogger();
  const clock = options.clock ?? systemClock;
  const trust = { trustDomain: TRUST_DOMAIN, clock, log };
  const authority = options.authority ?? (await openAuthority({ directory: join(folder, "ca"), ...trust }));
  const tokenKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwksFile = join(folder, "jwks.json");
  writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...(await exportJWK(tokenKey.publicKey)), kid: "k" }] }));
  const authenticator = createJwtAuthenticator({ jwksFile, issuer: ISSUER, ...trust });
  const registry = new Registry();
  const lifetimes = { defaultLifetimeMs: HOUR_MS, maxLifetimeMs: 2 * HOUR_MS };
  const issuing = { authority, authenticator, tagPod: tagPodByUid, ...trust, limitLog: unlimitedLog, ...lifetimes };
  const server = await startControlPlaneServer({
    host: "127.0.0.1",
    port: 0,
    authority,
    dnsNames: ["istiod.istio-system.svc", "localhost"],
    trustDomains: [TRUST_DOMAIN],
    ...(options.hasPod && { hasPod: options.hasPod }),
    routes: options.routes ?? ((router) => registerIssuingService(router, issuing)),
    clock,
    log,
    limitLog: options.limitLog ?? unlimitedLog,
    metrics: createControlPlaneMetrics(registry),
    // Handshakes keep their limit: clients and server share this process, which a test may keep busy for seconds.
    limits: { closeGraceMs: 200, untrustedGraceMs: 200, closeSpreadMs: 0, ...options.limits },
  });
  const trusting = { ca: authority.roots().join(""), servername: "localhost" };
  let ownCsr: string | undefined;
  const csr = (...keyArgs: readonly string[]): string => {
    if (keyArgs.length > 0) return createCsr(join(folder, "other-key.pem"), keyArgs);
    ownCsr ??= createCsr(join(folder, "key.pem"), P256);
    return ownCsr;
  };
  const fixture: ControlPlaneFixture = {
    server,
    authority,
    log,
    metric: async (name) => {
      const line = (await registry.metrics()).split("\n").find((text) => text.startsWith(`${name} `));
      return Number(line?.slice(name.length) ?? 0);
    },
    csr,
    token: async (expires = "1h") => await signToken(expires, tokenKey.privateKey),
    ask: async (request) => await askForCertificate({ csr: csr(), ...request }, server.port, trusting.ca),
    workload: async (lifetimeMs = HOUR_MS, podUid = "u1") => {
      const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
      const podTag = tagOfPodUid(podUid);
      const chain = await authority.signWorkload({ csrPem: csr(), identity, podTag, lifetimeMs });
      return { cert: chain.slice(0, -1).join(""), key: readFileSync(join(folder, "key.pem"), "utf8") };
    },
    dialTls: (dial) =>
      connectTls({ host: "127.0.0.1", port: server.port, ALPNProtocols: ["h2"], ...trusting, ...dial }).on(
        "error",
        () => undefined,
      ),
    dialHttp2: (dial) => {
      const createConnection = (): TLSSocket => fixture.dialTls(dial);
      return connectHttp2("https://localhost", { createConnection }).on("error", () => undefined);
    },
    stop: async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return fixture;
}

/** The discovery service of a mesh with one pod, `hello-1` in `ns1`, with the identity of `workload`. */
export function registerTestDiscovery(router: ConnectRouter, limits: Partial<StreamLimits> = {}): void {
  startDiscovery({
    source: new ChangingSource(pod.replace("serviceAccountName: hello", "serviceAccountName: default")),
    trust: new Changing({ roots: [] }),
    settings: fixedSettings(settings),
    clock: systemClock,
    log: new RecordingLogger(),
    limitLog: unlimitedLog,
    limits: { ...DEFAULT_STREAM_LIMITS, ...limits },
    shutdown: new AbortController().signal,
  }).register(router);
}

async function askForCertificate(request: Ask, port: number, ca: string): Promise<readonly string[]> {
  const { localAddress = "127.0.0.1" } = request;
  const nodeOptions = { ca, servername: "localhost", localAddress, ...request.certificate };
  const transport = createGrpcTransport({ baseUrl: `https://127.0.0.1:${port}`, nodeOptions });
  const client = createClient(IstioCertificateService, transport);
  const headers = request.bearer === undefined ? {} : { authorization: `Bearer ${request.bearer}` };
  const message = { csr: request.csr ?? "", validityDuration: request.seconds ?? 0n };
  return (await client.createCertificate(message, { headers, timeoutMs: 60_000 })).certChain;
}

function createCsr(keyFile: string, keyArgs: readonly string[]): string {
  const key = ["-keyout", keyFile, ...keyArgs];
  const options = ["req", "-new", "-nodes", "-subj", "/CN=x", ...key];
  return execFileSync("openssl", options, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

async function signToken(expires: string, key: Parameters<SignJWT["sign"]>[0]): Promise<string> {
  return await new SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid: "k" })
    .setIssuer(ISSUER)
    .setAudience("istio-ca")
    .setSubject("system:serviceaccount:ns1:default")
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key);
}

/** Unlike `once`, ignores errors. */
export async function closing(end: EventEmitter & { readonly closed: boolean }): Promise<void> {
  if (!end.closed) await new Promise<void>((resolve) => end.once("close", () => resolve()));
}

/** The head of a CreateCertificate call. */
export const CALL_HEADERS = {
  ":method": "POST",
  ":path": CREATE_CERTIFICATE_PATH,
  "content-type": "application/grpc",
  te: "trailers",
};

/** Opens a call and leaves it open. */
export function openCall(session: ClientHttp2Session): Promise<"refused" | "open"> {
  const stream = session.request(CALL_HEADERS);
  stream.on("error", () => undefined);
  stream.write(Buffer.from([0, 0, 0, 1, 0]));
  return new Promise((resolve) => {
    stream.once("close", () => resolve("refused"));
    session.ping(() => resolve("open"));
  });
}
