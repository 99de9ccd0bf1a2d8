/** For tests: the issuing service with a token that it accepts, and an authority that records its requests. */
import type { JsonObject } from "@bufbuild/protobuf";
import { ConnectError, createClient, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import { Registry } from "prom-client";
import { IstioCertificateService } from "../mesh/api/gen/ca_pb.ts";
import { type PeerContext, type ProvenCaller, peerIdentityKey, provenCallerKey } from "../mesh/api/peer-context.ts";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { mintLeaf, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import type { Authority, WorkloadRequest } from "./authority/authority.ts";
import { createIssuingMetrics } from "./issuing-metrics.ts";
import { type IssuingServiceDeps, registerIssuingService } from "./issuing-service.ts";
import { tagPodByUid } from "./revocation/pod-name.ts";
import type { Authenticator } from "./workload-auth/authenticator.ts";

export const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
export const DAY_MS = 86_400_000;
export const LEAF = mintLeaf({
  issuer: mintRoot(),
  uriSans: [IDENTITY],
  notBefore: new Date("2026-01-01T00:00:00Z"),
  notAfter: new Date("2026-01-02T00:00:00Z"),
});
export const ADDRESS = "10.0.0.7";
export const clock = new FakeClock();

interface CallOptions {
  readonly seconds?: bigint;
  readonly metadata?: JsonObject;
  readonly authorization?: string;
  /** @default without a certificate */
  readonly peer?: PeerContext;
  /** @default not one that could be read */
  readonly csr?: string;
}

function setPeer(peer: PeerContext, onProven: (caller: ProvenCaller) => void): Interceptor {
  return (next) => (call) => {
    call.contextValues.set(peerIdentityKey, peer).set(provenCallerKey, onProven);
    return next(call);
  };
}

/** Accepts the tokens `good` and `no-pod`, and records each signing request. */
export class Plane implements Authenticator, Authority {
  readonly requests: WorkloadRequest[] = [];
  /** The callers that have proved who they are by a token. */
  readonly proven: ProvenCaller[] = [];
  readonly log = new RecordingLogger();
  readonly registry = new Registry();
  fault: Error | undefined;
  /** What is revoked. @default nothing */
  findRevoked: NonNullable<IssuingServiceDeps["findRevoked"]> = () => undefined;
  /** Which pods there are. @default it is not known */
  findPods: IssuingServiceDeps["findPods"];
  /** Ten lines of each kind. */
  readonly limitLog = (kind: string) => {
    const before = this.#written.get(kind) ?? 0;
    this.#written.set(kind, before + 1);
    return { isGranted: before < 10, heldBack: 0 };
  };
  readonly #written = new Map<string, number>();

  async authenticate(token: string): ReturnType<Authenticator["authenticate"]> {
    if (token === "fault") throw new Error("the API server is away");
    if (token === "no-pod") return { kind: "authenticated", identity: IDENTITY };
    if (token !== "good") return { kind: "refused", reason: "expired", message: "the token has expired" };
    return { kind: "authenticated", identity: IDENTITY, pod: { name: "hello-1", uid: "u1" } };
  }

  async signWorkload(request: WorkloadRequest): Promise<readonly string[]> {
    this.requests.push(request);
    if (this.fault !== undefined) throw this.fault;
    return [LEAF.pem, "root\n"];
  }

  signServing(): never {
    throw new Error("no server requests a certificate");
  }

  roots = (): readonly string[] => ["root\n"];
  signingRoot = () => "root\n";
  subscribe = () => () => undefined;
  expiry = () => ({ rootNotAfterMs: clock.now() + 10 * DAY_MS, chainNotAfterMs: clock.now() - DAY_MS });

  async call(request: CallOptions = {}): Promise<string[]> {
    const peer: PeerContext = request.peer ?? { kind: "anonymous", reason: "no certificate", address: ADDRESS };
    const transport = createRouterTransport(
      (router) =>
        registerIssuingService(router, {
          authority: this,
          authenticator: this,
          trustDomain: parseTrustDomain("cluster.local"),
          clock,
          log: this.log,
          limitLog: this.limitLog,
          metrics: this.#metrics,
          findRevoked: (caller) => this.findRevoked(caller),
          tagPod: tagPodByUid,
          ...(this.findPods && { findPods: this.findPods }),
          defaultLifetimeMs: DAY_MS,
          maxLifetimeMs: 90 * DAY_MS,
        }),
      { router: { interceptors: [setPeer(peer, (caller) => this.proven.push(caller))] } },
    );
    const { seconds = 0n, metadata, authorization = "Bearer good", csr = "csr" } = request;
    const message = { csr, validityDuration: seconds, ...(metadata === undefined ? {} : { metadata }) };
    const options = { headers: authorization === "" ? {} : { authorization } };
    return (await createClient(IstioCertificateService, transport).createCertificate(message, options)).certChain;
  }

  async fail(request: Parameters<Plane["call"]>[0]): Promise<ConnectError> {
    return ConnectError.from(await this.call(request).catch((caught: unknown) => caught));
  }

  async metric(name: string): Promise<number> {
    const line = (await this.registry.metrics()).split("\n").find((text) => text.startsWith(`${name} `));
    return Number(line?.slice(name.length));
  }

  readonly #metrics = createIssuingMetrics({ registry: this.registry, authority: this, clock });
}
