/** A control plane for tests: the real services over real TLS on loopback, which a test can configure and inspect. */

import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Authority } from "../../../ca-agent/authority/authority.ts";
import { openAuthority } from "../../../ca-agent/authority/open-authority.ts";
import { registerIssuingService } from "../../../ca-agent/issuing-service.ts";
import { tagPodByUid } from "../../../ca-agent/revocation/pod-name.ts";
import type { TokenVerdict } from "../../../ca-agent/workload-auth/authenticator.ts";
import { Changing, ChangingSource } from "../../../discovery/discovery-fixture.ts";
import { startDiscovery } from "../../../discovery/discovery-service.ts";
import type { ProxyStatus, ProxyTrust } from "../../../discovery/streams/stream-status.ts";
import { peerIdentityKey } from "../../../mesh/api/peer-context.ts";
import { parseSpiffeId, type TrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import { DEFAULT_MESH_SETTINGS } from "../../../mesh/mesh-settings.ts";
import type { TrustReadings } from "../../../mesh/policy/authentication/trust-readings.ts";
import type { Revocations } from "../../../mesh/policy/types.ts";
import { RecordingLogger, unlimitedLog } from "../../../mesh/recording-logger-fixture.ts";
import { type Clock, systemClock } from "../../../mesh/runtime.ts";
import { findFreePort } from "../../../net/free-port-fixture.ts";
import { meshOf } from "./hello-mesh-fixture.ts";
import { judgeTestPeer, type TestTrust } from "./test-peer-fixture.ts";

export const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");

export interface FixtureOptions {
  /** @default ["localhost"] */
  readonly dnsNames?: readonly string[];
  readonly lifetimeMs?: number;
  /** @default any */
  readonly port?: number;
  /** Of the control plane, and of the workloads that are started with its options. @default the system's */
  readonly clock?: Clock;
}

export class ControlPlaneFixture {
  readonly directory: string;
  readonly authority: Authority;
  /** In the trust bundle. */
  readonly roots: Changing<readonly string[]>;
  /** In the trust bundle; sent at the next change of it. */
  revocations: Revocations | undefined;
  /** Sent with the trust bundle. */
  readings: () => TrustReadings | undefined = () => undefined;
  /** Whom the control plane itself refuses. */
  refused: Revocations = { certificates: [], identities: [] };
  readonly log = new RecordingLogger();
  /** Bearer tokens of CreateCertificate calls. */
  readonly tokens: string[] = [];
  judgeToken: (token: string) => Promise<TokenVerdict> = async (token) =>
    token.startsWith("good-token")
      ? { kind: "authenticated", identity: HELLO }
      : { kind: "refused", reason: "expired", message: "the token has expired" };
  /** Signs all certificates of workloads. */
  signWorkload: Authority["signWorkload"] = (request) => this.authority.signWorkload(request);
  /** Open connections, and the serial number of each one's client certificate. */
  readonly sessions = new Map<ServerHttp2Session, string | undefined>();
  /** Of its own certificate, another one after each `listen`. */
  servingSerialNumber = "";
  readonly #options: FixtureOptions;
  readonly #clock: Clock;
  readonly #source = new ChangingSource(meshOf("STRICT"));
  #server: Http2SecureServer | undefined;
  #shutdown = new AbortController();
  readonly #port: number;
  #proxies: () => readonly ProxyStatus[] = () => [];
  #trust: () => readonly ProxyTrust[] = () => [];

  private constructor(directory: string, authority: Authority, port: number, options: FixtureOptions) {
    this.directory = directory;
    this.authority = authority;
    this.roots = new Changing(authority.roots());
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#port = port;
  }

  static async start(options: FixtureOptions = {}): Promise<ControlPlaneFixture> {
    const directory = await mkdtemp(join(tmpdir(), "control-plane-"));
    const authority = await openTestAuthority(join(directory, "ca"), options.clock);
    const port = options.port ?? (await findFreePort());
    const fixture = new ControlPlaneFixture(directory, authority, port, options);
    await writeFile(fixture.tokenFile, "good-token-1\n", { mode: 0o600 });
    await writeFile(fixture.rootFile, fixture.authority.roots().join(""));
    await fixture.listen();
    return fixture;
  }

  /** The connected proxies, as operators see them. */
  proxies(): readonly ProxyStatus[] {
    return this.#proxies();
  }

  /** The same, as they count while a root is replaced. */
  trust(): readonly ProxyTrust[] {
    return this.#trust();
  }

  get address(): string {
    return `localhost:${this.#port}`;
  }

  get trustDomain(): TrustDomain {
    return DEFAULT_MESH_SETTINGS.trustDomain;
  }

  get port(): number {
    return this.#port;
  }

  get tokenFile(): string {
    return join(this.directory, "istio-token");
  }

  get rootFile(): string {
    return join(this.directory, "root-cert.pem");
  }

  /** After a stop: on the same port as before. */
  async listen(): Promise<void> {
    this.#shutdown = new AbortController();
    const { dnsNames = ["localhost"] } = this.#options;
    const serving = this.authority.signServing({ dnsNames, lifetimeMs: 3_600_000 });
    this.servingSerialNumber = new X509Certificate(serving.certificateChainPem).serialNumber;
    const server = createSecureServer(
      {
        cert: serving.certificateChainPem,
        key: serving.privateKeyPem,
        ca: [...this.authority.roots()],
        requestCert: true,
        rejectUnauthorized: false,
        // As in the control plane: cancelled streams do not end the connection.
        streamResetBurst: 1024,
        streamResetRate: 250,
      },
      connectNodeAdapter({
        routes: (router) => this.#register(router),
        contextValues: (request) =>
          createContextValues().set(peerIdentityKey, judgeTestPeer(request, this.#trustNow())),
      }),
    );
    server.on("session", (session) => this.#track(session));
    server.listen(this.#port, "localhost");
    await once(server, "listening");
    this.#server = server;
  }

  /** As if it were killed: connections are cut. */
  async stop(): Promise<void> {
    const closed = this.#server === undefined ? Promise.resolve() : once(this.#server, "close");
    this.#server?.close();
    for (const session of this.sessions.keys()) session.destroy();
    this.#shutdown.abort();
    await closed;
    this.#server = undefined;
  }

  async dispose(): Promise<void> {
    if (this.#server !== undefined) await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Sends another list of what is revoked. */
  revoke(revocations: Revocations): void {
    this.revocations = revocations;
    this.roots.change(this.roots.current());
  }

  change(documents: string): void {
    this.#source.change(documents);
  }

  #register(router: Parameters<typeof registerIssuingService>[0]): void {
    const { lifetimeMs = 3_600_000 } = this.#options;
    registerIssuingService(router, {
      authority: { ...this.authority, signWorkload: (request) => this.signWorkload(request) },
      tagPod: tagPodByUid,
      authenticator: {
        authenticate: (token) => {
          this.tokens.push(token);
          return this.judgeToken(token);
        },
      },
      trustDomain: DEFAULT_MESH_SETTINGS.trustDomain,
      clock: this.#clock,
      log: this.log,
      limitLog: unlimitedLog,
      defaultLifetimeMs: lifetimeMs,
      maxLifetimeMs: 86_400_000,
    });
    const discovery = startDiscovery({
      source: this.#source,
      trust: {
        current: () => ({
          roots: this.roots.current(),
          signingRoot: this.authority.signingRoot(),
          ...(this.revocations && { revocations: this.revocations }),
        }),
        subscribe: this.roots.subscribe,
        readings: () => this.readings(),
      },
      settings: { current: () => DEFAULT_MESH_SETTINGS, subscribe: () => () => undefined },
      clock: this.#clock,
      log: this.log,
      limitLog: unlimitedLog,
      shutdown: this.#shutdown.signal,
    });
    discovery.register(router);
    this.#proxies = discovery.status;
    this.#trust = discovery.trust;
  }

  /** What a sidecar of the pod `hello-1` is started with. */
  workloadOptions() {
    const { address, rootFile: rootCertificateFile, tokenFile } = this;
    return {
      ...{ address, rootCertificateFile, tokenFile, identity: HELLO, version: "test", clock: this.#clock },
      workload: { namespace: "ns1", name: "hello-1" },
    };
  }

  #trustNow(): TestTrust {
    const { refused, trustDomain } = this;
    return { roots: this.authority.roots(), trustDomain, refused, nowMs: this.#clock.now() };
  }

  #track(session: ServerHttp2Session): void {
    const { socket } = session;
    this.sessions.set(session, socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.serialNumber : undefined);
    session.on("error", () => undefined);
    session.on("close", () => this.sessions.delete(session));
  }
}

/** An authority of its own, in a directory that a test removes; in the same one the same authority. */
export async function openTestAuthority(directory: string, clock: Clock = systemClock): Promise<Authority> {
  const trustDomain = DEFAULT_MESH_SETTINGS.trustDomain;
  return await openAuthority({ directory, trustDomain, clock, log: new RecordingLogger() });
}
