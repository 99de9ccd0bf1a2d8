import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiscoveryService, WatchDestinationRequestSchema } from "../mesh/api/gen/discovery_pb.ts";
import { type PeerContext, peerIdentityKey } from "../mesh/api/peer-context.ts";
import { FakeClock, settlePromises } from "../mesh/fake-clock.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import type { MeshSettings } from "../mesh/policy/mesh-settings.ts";
import { RecordingLogger } from "../mesh/recording-logger.ts";
import { parseResources } from "../mesh/resources/parse-resources.ts";
import { createResourceSet, type ResourceSet } from "../mesh/resources/resource-set.ts";
import { registerDiscoveryService } from "./discovery-service.ts";
import { DEFAULT_STREAM_LIMITS } from "./stream-limits.ts";

const settings: MeshSettings = {
  trustDomain: parseTrustDomain("cluster.local"),
  trustDomainAliases: [parseTrustDomain("old.local")],
  rootNamespace: "istio-system",
  clusterDomain: "cluster.local",
  outboundTrafficPolicy: "ALLOW_ANY",
  autoMtls: true,
};
const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const pod = `
apiVersion: v1
kind: Pod
metadata: { name: hello-1, namespace: ns1, labels: { app: hello } }
spec: { serviceAccountName: hello, containers: [{ name: hello, ports: [{ containerPort: 8080 }] }] }
status: { podIP: 10.0.0.7, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
const secondPod = pod.replaceAll("hello-1", "hello-2").replace("10.0.0.7", "10.0.0.8");
const service = `
apiVersion: v1
kind: Service
metadata: { name: hello, namespace: ns1 }
spec: { clusterIP: 10.1.0.1, selector: { app: hello }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;
const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: ns1 }
spec: { selector: { app: hello }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
`;

function policy(mode: string): string {
  return `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: ${mode} } }
`;
}

/** A value that a test changes and the service listens to. */
class Changing<Value> {
  readonly #listeners = new Set<(value: Value) => void>();
  #value: Value;

  constructor(value: Value) {
    this.#value = value;
  }

  current = (): Value => this.#value;

  problems = (): readonly [] => [];

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

function setOf(...documents: readonly string[]): ResourceSet {
  const { resources, problems } = parseResources({ text: documents.join("---\n"), file: "test.yaml" });
  expect(problems).toEqual([]);
  return createResourceSet(resources);
}

let clock: FakeClock;
let log: RecordingLogger;
let source: Changing<ResourceSet>;
let roots: Changing<readonly string[]>;
let shutdown: AbortController;
let calls: AbortController;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  source = new Changing(setOf(pod, service, policy("STRICT")));
  roots = new Changing<readonly string[]>(["root one"]);
  shutdown = new AbortController();
  calls = new AbortController();
});

afterEach(() => {
  calls.abort();
});

const HOUR_MS = 3_600_000;

interface Setup {
  readonly peer?: PeerContext;
  readonly limits?: Partial<typeof DEFAULT_STREAM_LIMITS>;
}

/** Clients of one service, each with its own peer. */
function serve({ limits }: Pick<Setup, "limits"> = {}): (peer?: PeerContext) => Client<typeof DiscoveryService> {
  let peer: PeerContext;
  const transport = createRouterTransport(
    (router) =>
      registerDiscoveryService(router, {
        source,
        roots,
        settings,
        clock,
        log,
        shutdown: shutdown.signal,
        limits: { ...DEFAULT_STREAM_LIMITS, ...limits },
      }),
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
  return (as = { kind: "verified", identity: HELLO, notAfterMs: clock.now() + HOUR_MS }) => {
    peer = as;
    return createClient(DiscoveryService, transport);
  };
}

const workload = { namespace: "ns1", name: "hello-1" };

/** Reads a stream one message at a time; closes with the test. */
function read<Message>(stream: AsyncIterable<Message>): () => Promise<Message> {
  const iterator = stream[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await iterator.next();
    if (done === true) throw new Error("the stream ended");
    return value;
  };
}

async function codeOf(promise: Promise<unknown>): Promise<Code | undefined> {
  const caught = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return caught instanceof ConnectError ? caught.code : undefined;
}

describe("WatchInbound", () => {
  it("gives the present state, then each change, and nothing while nothing changes for this pod", async () => {
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    const first = await next();
    expect(first.defaultMode).toMatchObject({ mode: "STRICT", rule: "PeerAuthentication/default.istio-system" });
    expect(first.ports.map(({ port }) => port)).toEqual([8080]);
    source.change(
      setOf(pod, service, policy("STRICT"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: other }\n"),
    );
    await settlePromises();
    source.change(setOf(pod, service, policy("PERMISSIVE")));
    expect((await next()).defaultMode?.mode).toBe("PERMISSIVE");
  });

  it("gives a slow reader the newest state alone", async () => {
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    await next();
    for (const mode of ["DISABLE", "STRICT", "DISABLE", "PERMISSIVE"]) {
      source.change(setOf(pod, service, policy(mode)));
      await settlePromises();
    }
    expect((await next()).defaultMode?.mode).toBe("PERMISSIVE");
  });

  it("waits for a pod that is not known yet", async () => {
    source = new Changing(setOf(policy("STRICT")));
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    const first = next();
    await log.seen("waiting for a pod");
    source.change(setOf(pod, policy("STRICT")));
    expect((await first).workload?.pod).toBe("hello-1");
  });

  it("leaves the sidecar of a deleted pod with its last answer", async () => {
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    await next();
    source.change(setOf(policy("DISABLE")));
    await settlePromises();
    source.change(setOf(pod, policy("PERMISSIVE")));
    expect((await next()).defaultMode?.mode).toBe("PERMISSIVE");
  });

  it("ends when the pod's service account is not the caller's any more", async () => {
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    await next();
    source.change(setOf(pod.replace("serviceAccountName: hello", "serviceAccountName: other")));
    expect(await codeOf(next())).toBe(Code.PermissionDenied);
  });
});

describe("WatchTrustBundle", () => {
  it("gives roots and trust domains, and follows the roots", async () => {
    const next = read(serve()().watchTrustBundle({}, { signal: calls.signal }));
    expect(await next()).toMatchObject({ roots: ["root one"], trustDomains: ["cluster.local", "old.local"] });
    roots.change(["root one", "root two"]);
    expect((await next()).roots).toEqual(["root one", "root two"]);
  });
});

describe("WatchDestination", () => {
  it("resolves an address and follows its endpoints", async () => {
    const target = { case: "address", value: { ip: "10.1.0.1", port: 80 } } as const;
    const next = read(serve()().watchDestination({ workload, target }, { signal: calls.signal }));
    const first = (await next()).destination;
    expect(first.case === "mesh" && first.value.endpoints.map(({ ip }) => ip)).toEqual(["10.0.0.7"]);
    source.change(setOf(pod, secondPod, service));
    const second = (await next()).destination;
    expect(second.case === "mesh" && second.value.endpoints.map(({ ip }) => ip)).toEqual(["10.0.0.7", "10.0.0.8"]);
  });

  it.each([
    { name: "no target", target: { case: undefined } as const },
    { name: "no port", target: { case: "address", value: { ip: "10.1.0.1" } } as const },
    { name: "a host beyond DNS", target: { case: "host", value: { host: "a".repeat(300), port: 80 } } as const },
  ])("refuses a request with $name", async ({ target }) => {
    const request = create(WatchDestinationRequestSchema, { workload, target });
    expect(await codeOf(read(serve()().watchDestination(request))())).toBe(Code.InvalidArgument);
  });
});

describe("WatchGateway", () => {
  it("gives the listeners of a gateway's pod", async () => {
    source = new Changing(setOf(pod, gateway));
    const next = read(serve()().watchGateway({ workload }, { signal: calls.signal }));
    expect((await next()).listeners.map(({ port }) => port)).toEqual([80]);
  });
});

describe("callers", () => {
  const other = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/other");
  const abroad = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/hello");
  const later = Date.parse("2031-01-01T00:00:00Z");
  const earlier = Date.parse("2029-01-01T00:00:00Z");

  it.each<{ name: string; peer: PeerContext; code: Code }>([
    { name: "without a certificate", peer: { kind: "anonymous", reason: "none" }, code: Code.Unauthenticated },
    {
      name: "whose certificate has ended",
      peer: { kind: "verified", identity: HELLO, notAfterMs: earlier },
      code: Code.Unauthenticated,
    },
    {
      name: "of another service account",
      peer: { kind: "verified", identity: other, notAfterMs: later },
      code: Code.PermissionDenied,
    },
    {
      name: "of another namespace",
      peer: { kind: "verified", identity: abroad, notAfterMs: later },
      code: Code.PermissionDenied,
    },
  ])("$name are refused", async ({ peer, code }) => {
    const client = serve();
    const target = { case: "address", value: { ip: "10.1.0.1", port: 80 } } as const;
    expect(await codeOf(read(client(peer).watchInbound({ workload }))())).toBe(code);
    expect(await codeOf(read(client(peer).watchGateway({ workload }))())).toBe(code);
    expect(await codeOf(read(client(peer).watchDestination({ workload, target }))())).toBe(code);
    if (code === Code.Unauthenticated) expect(await codeOf(read(client(peer).watchTrustBundle({}))())).toBe(code);
  });

  it("that name no pod are refused", async () => {
    expect(await codeOf(read(serve()().watchInbound({}))())).toBe(Code.InvalidArgument);
  });

  it("are cut when their certificate ends", async () => {
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    await next();
    const end = codeOf(next());
    await clock.advance(HOUR_MS);
    expect(await end).toBe(Code.Unauthenticated);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are sent away when the control plane stops, and the sources are let go", async () => {
    const next = read(serve()().watchInbound({ workload }, { signal: calls.signal }));
    await next();
    shutdown.abort();
    expect(await codeOf(next())).toBe(Code.Unavailable);
    expect([source.listeners, roots.listeners, clock.pendingTimers]).toEqual([0, 0, 0]);
    expect(await codeOf(read(serve()().watchInbound({ workload }))())).toBe(Code.Unavailable);
  });
});

describe("limits", () => {
  it("bound the streams of one pod, and count one that was closed no more", async () => {
    const client = serve({ limits: { perPod: 2 } })();
    const closing = new AbortController();
    await read(client.watchInbound({ workload }, { signal: calls.signal }))();
    const second = read(client.watchInbound({ workload }, { signal: closing.signal }));
    await second();
    expect(await codeOf(read(client.watchInbound({ workload }))())).toBe(Code.ResourceExhausted);
    const closed = codeOf(second());
    closing.abort();
    await closed;
    await settlePromises();
    expect((await read(client.watchInbound({ workload }, { signal: calls.signal }))()).workload?.pod).toBe("hello-1");
  });

  it("bound the streams for pods that nobody knows", async () => {
    const client = serve({ limits: { waitingPerIdentity: 1 } })();
    const ref = (name: string) => ({ workload: { namespace: "ns1", name } });
    const waiting = read(client.watchInbound(ref("a"), { signal: calls.signal }))();
    await log.seen("waiting for a pod");
    expect(await codeOf(read(client.watchInbound(ref("b")))())).toBe(Code.ResourceExhausted);
    calls.abort();
    expect(await codeOf(waiting)).toBe(Code.Canceled);
  });

  it("bound the trust bundle's streams of one identity", async () => {
    const client = serve({ limits: { bundlesPerIdentity: 1 } })();
    await read(client.watchTrustBundle({}, { signal: calls.signal }))();
    expect(await codeOf(read(client.watchTrustBundle({}))())).toBe(Code.ResourceExhausted);
  });
});
