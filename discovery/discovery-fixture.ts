/** Shared by the tests of the discovery service. */
import { type Client, type Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { DiscoveryService } from "../mesh/api/gen/discovery_pb.ts";
import { type PeerContext, peerIdentityKey } from "../mesh/api/peer-context.ts";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { parseResources } from "../mesh/resources/parsing/parse-resources.ts";
import {
  combineResources,
  EMPTY_SET,
  type ResourceSet,
  type UpdatableSet,
  updateResourceSet,
  updatesBetween,
} from "../mesh/resources/resource-set.ts";
import type { ConfigListener, ConfigSource } from "./config-source.ts";
import { registerDiscoveryService } from "./discovery-service.ts";
import { DEFAULT_STREAM_LIMITS } from "./stream-limits.ts";

export const settings: MeshSettings = {
  trustDomain: parseTrustDomain("cluster.local"),
  trustDomainAliases: [parseTrustDomain("old.local")],
  rootNamespace: "istio-system",
  clusterDomain: "cluster.local",
  outboundTrafficPolicy: "ALLOW_ANY",
  autoMtls: true,
};
export const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
export const pod = `
apiVersion: v1
kind: Pod
metadata: { name: hello-1, namespace: ns1, labels: { app: hello } }
spec: { serviceAccountName: hello, containers: [{ name: hello, ports: [{ containerPort: 8080 }] }] }
status: { podIP: 10.0.0.7, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
export const secondPod = pod.replaceAll("hello-1", "hello-2").replace("10.0.0.7", "10.0.0.8");
export const service = `
apiVersion: v1
kind: Service
metadata: { name: hello, namespace: ns1 }
spec: { clusterIP: 10.1.0.1, selector: { app: hello }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;
export const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: ns1 }
spec: { selector: { app: hello }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
`;

export function policy(mode: string): string {
  return `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: ${mode} } }
`;
}

/** Routes of `hello` for the sidecars of one application. */
export function virtualService(timeout: string, app: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: hello, namespace: ns1 }
spec:
  hosts: [hello]
  http:
  - match: [{ sourceLabels: { app: ${app} } }]
    route: [{ destination: { host: hello } }]
    timeout: ${timeout}
`;
}

/** A value that a test changes and the service observes. */
export class Changing<Value> {
  readonly #listeners = new Set<(value: Value) => void>();
  #value: Value;

  constructor(value: Value) {
    this.#value = value;
  }

  current = (): Value => this.#value;

  get listeners(): number {
    return this.#listeners.size;
  }

  subscribe = (listener: (value: Value) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  change(value: Value): void {
    this.#value = value;
    for (const listener of this.#listeners) listener(value);
  }
}

/** A configuration that a test changes by giving all of its documents anew. */
export class ChangingSource implements ConfigSource {
  readonly #listeners = new Set<ConfigListener>();
  #resources = combineResources([]);
  #set: UpdatableSet = EMPTY_SET;

  constructor(...documents: readonly string[]) {
    this.change(...documents);
  }

  current = (): ResourceSet => this.#set;

  problems = (): readonly [] => [];

  get listeners(): number {
    return this.#listeners.size;
  }

  subscribe = (listener: ConfigListener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  change(...documents: readonly string[]): void {
    const { resources } = parseResources({ text: documents.join("---\n"), file: "test.yaml" });
    const combined = combineResources(resources);
    const { set, change } = updateResourceSet(this.#set, updatesBetween(this.#resources, combined));
    this.#resources = combined;
    this.#set = set;
    for (const listener of this.#listeners) listener(set, change);
  }
}

export const HOUR_MS = 3_600_000;

/** The service on an in-memory transport, with all its dependencies. */
export class DiscoveryFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  readonly source = new ChangingSource(pod, service, policy("STRICT"));
  readonly roots = new Changing<readonly string[]>(["root one"]);
  readonly shutdown = new AbortController();
  /** How many log lines of one kind may be written. */
  maxLines = Number.POSITIVE_INFINITY;
  #lines = 0;
  readonly limitLog = () => ({ isGranted: this.#lines++ < this.maxLines, heldBack: 0 });
  /** Ends all calls of a test. */
  readonly calls = new AbortController();

  /** A client with its own service. */
  client(options: ClientOptions = {}): Client<typeof DiscoveryService> {
    const { clock, log, limitLog, source, roots } = this;
    const { peer = { kind: "verified", identity: HELLO, notAfterMs: clock.now() + HOUR_MS, address: "10.0.0.7" } } =
      options;
    const limits = { ...DEFAULT_STREAM_LIMITS, ...options.limits };
    const shutdown = this.shutdown.signal;
    const transport = createRouterTransport(
      (router) => registerDiscoveryService(router, { source, roots, settings, clock, log, limitLog, shutdown, limits }),
      {
        router: {
          interceptors: [
            (next) => (request) => {
              request.contextValues.set(peerIdentityKey, peer);
              return next(request);
            },
          ],
        },
      },
    );
    return createClient(DiscoveryService, transport);
  }
}

export interface ClientOptions {
  /** @default verified as HELLO, for an hour */
  readonly peer?: PeerContext;
  readonly limits?: Partial<typeof DEFAULT_STREAM_LIMITS>;
}

export const workload = { namespace: "ns1", name: "hello-1" };

/** Reads a stream one message at a time; the stream ends with the test. */
export function read<Message>(stream: AsyncIterable<Message>): () => Promise<Message> {
  const iterator = stream[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await iterator.next();
    if (done === true) throw new Error("the stream ended");
    return value;
  };
}

export async function codeOf(promise: Promise<unknown>): Promise<Code | undefined> {
  const caught = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return caught instanceof ConnectError ? caught.code : undefined;
}
