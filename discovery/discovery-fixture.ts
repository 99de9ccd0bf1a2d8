/** Shared by the tests of the discovery service. */

import { type Code, ConnectError, createClient, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import { DiscoveryService } from "../mesh/api/gen/discovery_pb.ts";
import { type PeerContext, peerIdentityKey } from "../mesh/api/peer-context.ts";
import { verifiedPeer } from "../mesh/api/peer-fixture.ts";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { DEFAULT_MESH_SETTINGS, type MeshSettings } from "../mesh/mesh-settings.ts";
import type { TrustReadings } from "../mesh/policy/authentication/trust-readings.ts";
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
import type { ConfigListener, ConfigSource, SourceStatus } from "./config-source.ts";
import { type Discovery, type KeySetSource, startDiscovery } from "./discovery-service.ts";
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from "./streams/stream-limits.ts";
import { TestProxy } from "./streams/test-proxy-fixture.ts";

export const settings: MeshSettings = {
  ...DEFAULT_MESH_SETTINGS,
  trustDomainAliases: [parseTrustDomain("old.local")],
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

  status = (): SourceStatus => ({ kind: "current" });

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
  /** The one of them that signs; it changes with the roots. */
  signingRoot = "root one";
  /** From what the trust bundle was made; a test sets it before the start. */
  readings: (() => TrustReadings) | undefined;
  readonly settings = new Changing(settings);
  /** The keys of issuers of tokens; a test sets it before the start. */
  keySets: KeySetSource | undefined;
  readonly shutdown = new AbortController();
  /** How many log lines of one kind may be written. */
  maxLines = Number.POSITIVE_INFINITY;
  #lines = 0;
  readonly limitLog = () => ({ isGranted: this.#lines++ < this.maxLines, heldBack: 0 });
  /** Ends all calls of a test. */
  readonly calls = new AbortController();

  /** The service; a test that needs several callers of one service starts it itself. */
  start(limits: Partial<StreamLimits> = {}): Discovery {
    const { clock, log, limitLog, source } = this;
    const trust = {
      current: () => ({ roots: this.roots.current(), signingRoot: this.signingRoot }),
      subscribe: (listener: () => void) => this.roots.subscribe(listener),
      ...(this.readings && { readings: this.readings }),
    };
    const shutdown = this.shutdown.signal;
    const merged = { ...DEFAULT_STREAM_LIMITS, ...limits };
    const deps = { source, trust, settings: this.settings, clock, log, limitLog, shutdown, limits: merged };
    return startDiscovery({ ...deps, ...(this.keySets !== undefined && { keySets: this.keySets }) });
  }

  /** A proxy that opens a stream. */
  proxy(options: ProxyOptions = {}): TestProxy {
    const { discovery = this.start() } = options;
    const notAfterMs = this.clock.now() + HOUR_MS;
    const { peer = verifiedPeer({ identity: HELLO, notAfterMs }) } = options;
    const setPeer: Interceptor = (next) => (request) => {
      request.contextValues.set(peerIdentityKey, peer);
      return next(request);
    };
    const transport = createRouterTransport((router) => discovery.register(router), {
      router: { interceptors: [setPeer] },
    });
    const signal = AbortSignal.any([this.calls.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    return new TestProxy(createClient(DiscoveryService, transport), signal);
  }
}

export interface ProxyOptions {
  /** @default verified as HELLO, for an hour */
  readonly peer?: PeerContext;
  /** @default a service of its own */
  readonly discovery?: Discovery;
  readonly signal?: AbortSignal;
}

export async function codeOf(promise: Promise<unknown>): Promise<Code | undefined> {
  const caught = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return caught instanceof ConnectError ? caught.code : undefined;
}
