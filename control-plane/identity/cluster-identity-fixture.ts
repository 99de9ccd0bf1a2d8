/** For tests: control planes whose identity comes from a test API server, and pods with the files of the kubelet. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Registry } from "prom-client";
import { registerIssuingService } from "../../ca-agent/issuing-service.ts";
import { ROOT_CONFIG_MAP, readPublishedRoots } from "../../ca-agent/trust-distribution/root-config-map.ts";
import { settings } from "../../discovery/discovery-fixture.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { TokenRequest } from "../../kubernetes/test-server/access/identities.ts";
import { startTestApiServer, type TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { parseSpiffeId, type SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { type Clock, systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { createTlsContext } from "../../net/tls/tls-contexts.ts";
import { until } from "../../net/until-fixture.ts";
import { createCertificateClient } from "../../proxy/tls/control-plane/control-plane-client.ts";
import {
  connectControlPlane,
  parseControlPlaneAddress,
} from "../../proxy/tls/control-plane/control-plane-connection.ts";
import { createSvidKey, formatCertificateRequest } from "../../proxy/tls/csr.ts";
import { startControlPlaneServer } from "../serving/control-plane-server.ts";
import { servingNames } from "./serving-names.ts";
import { type Identity, startIdentity } from "./start-identity.ts";

const HOUR_MS = 3_600_000;
export const ROOT_NAMESPACE = "istio-system";

/** One replica. */
export interface ClusterControlPlane extends Identity {
  readonly address: string;
  readonly log: RecordingLogger;
  readonly registry: Registry;
}

export class IdentityCluster {
  readonly server: TestApiServer;
  readonly #cleanup: Cleanup;

  private constructor(server: TestApiServer, cleanup: Cleanup) {
    this.server = server;
    this.#cleanup = cleanup;
  }

  static async start(cleanup: Cleanup): Promise<IdentityCluster> {
    const cluster = new IdentityCluster(await startTestApiServer(cleanup), cleanup);
    for (const name of [ROOT_NAMESPACE, "ns1"]) cluster.#create("namespaces", { name });
    return cluster;
  }

  /** Resolves once it listens. @param clock @default the system's */
  async startControlPlane(clock: Clock = systemClock): Promise<ClusterControlPlane> {
    const stop = new AbortController();
    this.#cleanup.add(() => stop.abort());
    const log = new RecordingLogger();
    const shared = { clock, log, limitLog: unlimitedLog };
    const registry = new Registry();
    const identity = await startIdentity(
      { kind: "kubernetes", api: this.server.client(this.server.adminToken, { clock }), instance: "istiod-1" },
      { ...shared, registry, settings, random: Math.random, onWaiting: () => undefined, signal: stop.signal },
    );
    const issuing = { ...identity, ...shared, trustDomain: settings.trustDomain };
    const server = await startControlPlaneServer({
      ...{ host: "127.0.0.1", port: 0, authority: identity.authority, trustDomains: [settings.trustDomain] },
      dnsNames: servingNames(ROOT_NAMESPACE, undefined),
      routes: (router) =>
        registerIssuingService(router, { ...issuing, defaultLifetimeMs: HOUR_MS, maxLifetimeMs: 24 * HOUR_MS }),
      ...shared,
    });
    this.#cleanup.add(() => server.close());
    return { ...identity, log, registry, address: `localhost:${server.port}` };
  }

  /** A pod of a service account of its own, both in ns1. @param account another one's, that exists */
  createPod(name: string, account?: string): ClusterPod {
    if (account === undefined) this.#create("serviceAccounts", { name, namespace: "ns1" });
    const spec = { serviceAccountName: account ?? name };
    const object = this.#create("pods", { name: `${name}-1`, namespace: "ns1" }, { spec });
    return new ClusterPod(this, object, { account: account ?? name, cleanup: this.#cleanup });
  }

  /** What a pod of that namespace mounts as its roots; waits for it. */
  async publishedRoots(namespace: string): Promise<string> {
    let roots = "";
    await until(() => {
      const { items } = this.server.cluster.list(KINDS.configMaps, { namespace });
      roots = readPublishedRoots(items.find(({ metadata }) => metadata.name === ROOT_CONFIG_MAP));
      return roots !== "";
    });
    return roots;
  }

  #create(
    kind: "namespaces" | "serviceAccounts" | "pods",
    metadata: { readonly name: string; readonly namespace?: string },
    more: Readonly<Record<string, unknown>> = {},
  ): KubernetesObject {
    return this.server.cluster.create(KINDS[kind], { apiVersion: "v1", kind: KINDS[kind].kind, metadata, ...more });
  }
}

/** A certificate with its root at the end, and its key. All PEM. */
export interface CertificatePair {
  readonly chain: readonly string[];
  readonly keyPem: string;
}

/** A pod with its projected volume. It calls with the code of the shipped sidecar. */
export class ClusterPod {
  readonly object: KubernetesObject;
  readonly identity: SpiffeId;
  readonly account: string;
  readonly #cluster: IdentityCluster;
  readonly #folder = mkdtempSync(join(tmpdir(), "entente-pod-"));
  #version = 0;

  constructor(
    cluster: IdentityCluster,
    object: KubernetesObject,
    { account, cleanup }: { readonly account: string; readonly cleanup: Cleanup },
  ) {
    this.#cluster = cluster;
    this.object = object;
    this.account = account;
    this.identity = parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${this.account}`);
    cleanup.add(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** As the sidecar's configuration names them. */
  get files(): { readonly rootCertificateFile: string; readonly tokenFile: string } {
    const folder = join(this.#folder, "..data");
    return { rootCertificateFile: join(folder, "root-cert.pem"), tokenFile: join(folder, "istio-token") };
  }

  /** A token as the kubelet requests it. */
  requestToken(changes: Partial<TokenRequest> = {}): string {
    const own = { namespace: "ns1", serviceAccount: this.account, pod: this.object, audiences: ["istio-ca"] };
    return this.#cluster.server.identities.issueToken({ ...own, ...changes });
  }

  /** A token with the right claims that nobody has issued. */
  forgeToken(): string {
    const [header, claims] = this.requestToken().split(".");
    return [header, claims, randomBytes(64).toString("base64url")].join(".");
  }

  /** As the kubelet: all files of a version in a new directory, and the link `..data` replaced in one step. */
  async mount(token: string = this.requestToken()): Promise<void> {
    this.#version += 1;
    const folder = `..v${this.#version}`;
    mkdirSync(join(this.#folder, folder));
    writeFileSync(join(this.#folder, folder, "istio-token"), token, { mode: 0o600 });
    writeFileSync(join(this.#folder, folder, "root-cert.pem"), await this.#cluster.publishedRoots("ns1"));
    symlinkSync(folder, join(this.#folder, "..next"));
    renameSync(join(this.#folder, "..next"), join(this.#folder, "..data"));
  }

  /** Requests a certificate with what is mounted. */
  async request(address: string): Promise<readonly string[]> {
    return (await this.requestPair(address)).chain;
  }

  /** The same, with the key. */
  async requestPair(address: string): Promise<CertificatePair> {
    const call = createCertificateClient({
      address,
      ...this.files,
      clock: systemClock,
    });
    const key = createSvidKey();
    const csr = formatCertificateRequest(key, this.identity);
    const { chain } = await call(csr, AbortSignal.timeout(60_000));
    return { chain, keyPem: key.export({ type: "pkcs8", format: "pem" }).toString() };
  }

  /** Renews a certificate by itself, over the sidecar's connection and without a token. */
  async renew(address: string, { chain, keyPem }: CertificatePair): Promise<readonly string[]> {
    const rootsPem = await this.#cluster.publishedRoots("ns1");
    const context = createTlsContext({ cert: chain.slice(0, -1).join(""), key: keyPem, ca: rootsPem });
    const signal = AbortSignal.timeout(60_000);
    const to = parseControlPlaneAddress(address);
    const connection = await connectControlPlane({ address: to, rootsPem, context, clock: systemClock, signal });
    try {
      const client = createClient(IstioCertificateService, connection.transport);
      const csr = formatCertificateRequest(createSvidKey(), this.identity);
      return (await client.createCertificate({ csr }, { signal })).certChain;
    } finally {
      connection.close();
    }
  }

  /** The code with which a request is refused. */
  async refusal(address: string): Promise<string> {
    const caught: unknown = await this.request(address).then(
      () => "served",
      (error: unknown) => error,
    );
    return caught instanceof Error ? Code[ConnectError.from(caught).code] : String(caught);
  }
}
