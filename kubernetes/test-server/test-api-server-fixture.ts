/** For tests and benches: an API server that speaks the real protocol over TLS, and does what a test wants. */
import { createServer, type Server } from "node:https";
import type { Duplex } from "node:stream";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { type Clock, systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { listen } from "../../net/listen.ts";
import type { ClusterAccess } from "../cluster-access.ts";
import { createKubernetesClient, type KubernetesClient, type KubernetesClientOptions } from "../kubernetes-client.ts";
import type { UpgradeListener } from "../scripted-server-fixture.ts";
import type { ResolveService } from "./access/admission-webhooks.ts";
import { Identities } from "./access/identities.ts";
import { type ApiRequestDeps, handleApiRequest } from "./serving/api-request-handler.ts";
import { FaultPlan } from "./serving/faults.ts";
import type { ApiAttempt } from "./serving/request-route.ts";
import type { Backup } from "./storage/object-history.ts";
import { TestCluster } from "./test-cluster.ts";
import type { OpenWatch } from "./watch-feed.ts";

export interface TestApiServerOptions {
  /** The server's clock, for tokens and dates. @default the system's */
  readonly now?: () => number;
  /** @default "v1.34.3" */
  readonly gitVersion?: string;
  /** `rbac`: as the cluster's roles and bindings say. @default everything is allowed */
  readonly authorization?: "everything" | "rbac";
  /** @default one minute, as real servers */
  readonly bookmarkMs?: number;
  /** Changes that a watch can still ask for. @default 10,000 */
  readonly maxChanges?: number;
  /** Where a webhook's Service listens on this machine. @default nowhere */
  readonly resolveService?: ResolveService;
  /** What happens with a request to change the protocol, such as port forwarding. @default it is refused */
  readonly onUpgrade?: UpgradeListener;
}

export interface TestClientOptions extends KubernetesClientOptions {
  /** @default the system's */
  readonly clock?: Clock;
}

/** A request as the server has seen it. */
export interface SeenRequest extends ApiAttempt {
  readonly userAgent: string;
}

/** A bench sends millions. */
const MAX_REQUESTS = 100_000;

const SERVER_NAME = "kubernetes.default.svc";

/** Starts an API server on loopback, which ends with the test. */
export async function startTestApiServer(cleanup: Cleanup, options: TestApiServerOptions = {}): Promise<TestApiServer> {
  const server = new TestApiServer(cleanup, await findFreePort(), options);
  await server.back();
  cleanup.add(() => server.away());
  return server;
}

export class TestApiServer {
  readonly cluster: TestCluster;
  readonly identities: Identities;
  readonly faults = new FaultPlan();
  /** The open watches, in the order of their beginning. */
  readonly watches = new Set<OpenWatch>();
  /** Every authenticated request; of very many the last ones. */
  readonly requests: SeenRequest[] = [];
  /** What RBAC refused. */
  readonly denied: ApiAttempt[] = [];
  /** A token of `system:masters`. */
  readonly adminToken: string;
  readonly caPem: string;
  readonly #material: { readonly cert: string; readonly key: string };
  readonly #deps: ApiRequestDeps;
  readonly #cleanup: Cleanup;
  readonly #onUpgrade: UpgradeListener | undefined;
  readonly #sockets = new Set<Duplex>();
  #server: Server | undefined;
  readonly #port: number;

  constructor(cleanup: Cleanup, port: number, options: TestApiServerOptions) {
    const { now = Date.now, maxChanges = 10_000 } = options;
    const { cert, key, ca } = mintServerCertificate();
    this.caPem = ca;
    this.#material = { cert, key };
    this.#cleanup = cleanup;
    this.#port = port;
    this.#onUpgrade = options.onUpgrade;
    this.cluster = new TestCluster({ now, maxChanges });
    this.identities = new Identities(this.cluster, now);
    this.adminToken = this.identities.addUser("admin", ["system:masters"]);
    this.#deps = {
      cluster: this.cluster,
      identities: this.identities,
      faults: this.faults,
      watches: this.watches,
      resolveService: options.resolveService ?? (() => undefined),
      gitVersion: options.gitVersion ?? "v1.34.3",
      authorization: options.authorization ?? "everything",
      bookmarkMs: options.bookmarkMs ?? 60_000,
      onAttempt: (attempt, userAgent) => {
        this.requests.push({ ...attempt, userAgent });
        if (this.requests.length > MAX_REQUESTS) this.requests.splice(0, MAX_REQUESTS / 2);
      },
      onDenied: (attempt) => this.denied.push(attempt),
    };
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** How a caller with this token reaches the server. */
  access(token: string = this.adminToken): ClusterAccess {
    return {
      server: this.url,
      namespace: "default",
      credentials: async () => ({
        headers: { authorization: `Bearer ${token}` },
        tls: { ca: this.caPem, servername: SERVER_NAME, verification: "full" },
      }),
    };
  }

  /** The shipped client. It ends with the test. */
  client(token: string = this.adminToken, options: TestClientOptions = {}): KubernetesClient {
    const { clock = systemClock, ...limits } = options;
    const deps = { access: this.access(token), clock, random: Math.random, log: new RecordingLogger() };
    const client = createKubernetesClient(deps, limits);
    this.#cleanup.add(() => client.close());
    return client;
  }

  /** For kubectl and the command line. */
  kubeconfig(token: string = this.adminToken): string {
    const ca = Buffer.from(this.caPem).toString("base64");
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
      clusters: [
        {
          name: "test",
          cluster: { server: this.url, "certificate-authority-data": ca, "tls-server-name": SERVER_NAME },
        },
      ],
      users: [{ name: "test", user: { token } }],
    });
  }

  /** Stops listening and cuts every connection. */
  async away(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    // Also those whose TLS handshake is not complete, which the HTTP server does not know.
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Listens again on the same port. */
  async back(): Promise<void> {
    const server = createServer(this.#material, (request, response) => {
      void handleApiRequest(this.#deps, request, response);
    });
    server.on("tlsClientError", () => undefined);
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    if (this.#onUpgrade !== undefined) server.on("upgrade", this.#onUpgrade);
    // A watch may be open longer than Node's limit for a request.
    server.requestTimeout = 0;
    await listen(server, { port: this.#port, host: "127.0.0.1", onError: () => undefined });
    this.#server = server;
  }

  /** Goes back to an older backup, as an administrator does: with the servers stopped, for `outageMs`. */
  async restore(backup: Backup, outageMs: number = 300): Promise<void> {
    await this.away();
    this.cluster.history.restore(backup);
    await new Promise((resolve) => setTimeout(resolve, outageMs));
    await this.back();
  }
}

function mintServerCertificate(): { readonly cert: string; readonly key: string; readonly ca: string } {
  const root = mintRoot();
  const leaf = mintLeaf({
    issuer: root,
    uriSans: [],
    dnsSans: [SERVER_NAME, "localhost"],
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
  });
  return { cert: leaf.pem, key: leaf.keyPem, ca: root.pem };
}
