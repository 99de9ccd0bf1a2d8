import { X509Certificate } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { Fault } from "../../kubernetes/test-server/serving/faults.ts";
import { IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { readUriSans } from "../../mesh/identity/x509-san.ts";
import { type Clock, systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { type ClusterPod, IdentityCluster } from "./cluster-identity-fixture.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const cleanup = new Cleanup();
let cluster: IdentityCluster;
let pod: ClusterPod;
beforeEach(async () => {
  cluster = await IdentityCluster.start(cleanup);
  pod = cluster.createPod("hello");
});
afterEach(() => cleanup.run());

function deleteObject(kind: "pods" | "serviceAccounts", name: string): void {
  cluster.server.cluster.delete(KINDS[kind], { namespace: "ns1", name });
}

const systemClockAhead = (byMs: number): Clock => ({ ...systemClock, now: () => systemClock.now() + byMs });

const countReviews = () => cluster.server.requests.filter(({ resource }) => resource === "tokenreviews").length;

describe("a pod's token", () => {
  it("gives it the certificate of its account, and its namespace's ConfigMap verifies the control plane", async () => {
    const { address, authority, registry } = await cluster.startControlPlane();
    await pod.mount();
    const [leaf = ""] = await pod.request(address);
    expect(await registry.metrics()).toContain('entente_token_reviews_total{outcome="authenticated"} 1');
    expect(readUriSans(new X509Certificate(leaf).raw)).toEqual(["spiffe://cluster.local/ns/ns1/sa/hello"]);
    expect(await cluster.publishedRoots("ns1")).toBe(authority.roots().join(""));
  });

  it.each([
    {
      name: "for another audience",
      issue: () => pod.requestToken({ audiences: ["vault"] }),
      reason: "wrong_audience",
      asked: 0,
    },
    {
      name: "for the API itself",
      issue: () => pod.requestToken({ audiences: ["https://kubernetes.default.svc.cluster.local"] }),
      reason: "wrong_audience",
      asked: 0,
    },
    {
      name: "that has just expired",
      issue: () => pod.requestToken({ lifetimeMs: -1000 }),
      reason: "refused_by_the_api",
      asked: 1,
    },
    {
      name: "that expired a day ago",
      issue: () => pod.requestToken({ lifetimeMs: -DAY_MS }),
      reason: "expired",
      asked: 0,
    },
    {
      name: "that is bound to no pod",
      issue: () => {
        const request = { namespace: "ns1", serviceAccount: "hello", audiences: ["istio-ca"] };
        return cluster.server.identities.issueToken(request);
      },
      reason: "not_bound_to_a_pod",
      asked: 0,
    },
    {
      name: "of a deleted pod",
      issue: () => {
        const token = pod.requestToken();
        deleteObject("pods", "hello-1");
        return token;
      },
      reason: "refused_by_the_api",
      asked: 1,
    },
    {
      name: "of a deleted pod whose name another pod has now",
      issue: () => {
        const token = pod.requestToken();
        deleteObject("pods", "hello-1");
        const { apiVersion, kind, metadata } = pod.object;
        const { name, namespace = "" } = metadata;
        cluster.server.cluster.create(KINDS.pods, { apiVersion, kind, metadata: { name, namespace } });
        return token;
      },
      reason: "refused_by_the_api",
      asked: 1,
    },
    {
      name: "of a deleted service account",
      issue: () => {
        const token = pod.requestToken();
        deleteObject("serviceAccounts", "hello");
        return token;
      },
      reason: "refused_by_the_api",
      asked: 1,
    },
    { name: "that is forged", issue: () => pod.forgeToken(), reason: "refused_by_the_api", asked: 1 },
  ])("$name is refused, and only the log says why", async ({ issue, reason, asked }) => {
    const { address, log } = await cluster.startControlPlane();
    await pod.mount(issue());
    expect(await pod.refusal(address)).toBe("Unauthenticated");
    expect(log.find("refused a caller").map(({ fields }) => fields["reason"])).toEqual([reason]);
    expect(countReviews()).toBe(asked);
  });

  it("that the kubelet replaces in the volume is read again", async () => {
    const { address } = await cluster.startControlPlane();
    await pod.mount(pod.requestToken({ lifetimeMs: -1000 }));
    expect(await pod.refusal(address)).toBe("Unauthenticated");
    await pod.mount();
    expect(await pod.request(address)).toHaveLength(2);
  });
});

describe("a pod whose token is worth nothing any more", () => {
  it("renews its certificate by the certificate, at any control plane", async () => {
    const [first, second] = [await cluster.startControlPlane(), await cluster.startControlPlane()];
    await pod.mount();
    const pair = await pod.requestPair(first.address);
    await pod.mount(pod.requestToken({ lifetimeMs: -1000 }));
    expect(await pod.refusal(second.address)).toBe("Unauthenticated");
    const [leaf = ""] = await pod.renew(second.address, pair);
    expect(readUriSans(new X509Certificate(leaf).raw)).toEqual([pod.identity]);
  });
});

describe("a control plane whose clock is off", () => {
  it("serves pods if it is an hour behind, and says so", async () => {
    const { address, log } = await cluster.startControlPlane(systemClockAhead(-HOUR_MS));
    await pod.mount();
    expect(await pod.request(address)).toHaveLength(2);
    expect(log.find("clock_skew")[0]?.message).toContain("the clock of this machine is behind");
  });

  it("serves pods if it is an hour ahead: its certificates are backdated", async () => {
    const { address } = await cluster.startControlPlane(systemClockAhead(HOUR_MS));
    await pod.mount();
    expect(await pod.request(address)).toHaveLength(2);
  });

  it("is refused by pods if it is ahead by more than certificates are backdated, which see why", async () => {
    const { address } = await cluster.startControlPlane(systemClockAhead(2 * HOUR_MS));
    await pod.mount();
    await expect(pod.request(address)).rejects.toThrow("certificate is not yet valid");
  });
});

describe("two control planes", () => {
  it("that start at once have one root, and a pod may go to either", async () => {
    const planes = await Promise.all([cluster.startControlPlane(), cluster.startControlPlane()]);
    await pod.mount();
    const chains = await Promise.all(planes.map(({ address }) => pod.request(address)));
    expect(new Set(chains.map((chain) => chain.at(-1))).size).toBe(1);
    const secrets = cluster.server.cluster.list(KINDS.secrets, {}).items;
    expect(secrets.map(({ metadata }) => metadata.name)).toEqual(["istio-ca-secret"]);
  });
});

describe("while the API server does not do as it should", () => {
  it.each<{ readonly name: string; readonly fault: Fault }>([
    { name: "fails", fault: { kind: "status", status: 500, reason: "InternalError" } },
    { name: "denies us the question", fault: { kind: "status", status: 403, reason: "Forbidden" } },
    { name: "sends garbage", fault: { kind: "garbage" } },
    { name: "sends half a JSON", fault: { kind: "half-json" } },
    { name: "cuts the connection", fault: { kind: "cut" } },
  ])("and $name, a pod may retry, and is served afterwards", async ({ fault }) => {
    const { address, log } = await cluster.startControlPlane();
    await pod.mount();
    const end = cluster.server.faults.add(fault, { resource: "tokenreviews" });
    expect(await pod.refusal(address)).toBe("Unavailable");
    expect(log.find("api_failed")).toHaveLength(1);
    end();
    expect(await pod.request(address)).toHaveLength(2);
  });

  it("and is away, a pod may retry, and is served after its return", async () => {
    const { address } = await cluster.startControlPlane();
    await pod.mount();
    await cluster.server.away();
    expect(await pod.refusal(address)).toBe("Unavailable");
    await cluster.server.back();
    expect(await pod.request(address)).toHaveLength(2);
  });

  it("but takes longer than a caller waits, the retry finds what it has said meanwhile", async () => {
    const { address } = await cluster.startControlPlane(startFastClock(cleanup));
    await pod.mount();
    const slow = Promise.withResolvers<void>();
    cluster.server.faults.add({ kind: "held", until: slow.promise }, { resource: "tokenreviews" });
    expect(await pod.refusal(address)).toBe("Unavailable");
    slow.resolve();
    expect(await pod.request(address)).toHaveLength(2);
    expect(countReviews()).toBe(1);
  });
});

describe("a flood of forged tokens", () => {
  it("reaches the API as a trickle, and a pod is served meanwhile", async () => {
    const { address, authority } = await cluster.startControlPlane();
    await pod.mount();
    const beganMs = performance.now();
    const flood = new Flood(address, authority.roots().join(""));
    cleanup.add(() => flood.stop());
    while (flood.refused < 100) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await pod.request(address)).toHaveLength(2);
    await flood.stop();
    expect(countReviews()).toBeGreaterThan(50);
    // A burst, and then ten calls a second.
    const seconds = (performance.now() - beganMs) / 1000;
    expect(countReviews()).toBeLessThan(80 + 10 * seconds);
  });
});

/** Calls with ever new forged tokens from another address. */
class Flood {
  refused = 0;
  readonly #stop = new AbortController();
  readonly #calls: Promise<unknown>;

  constructor(address: string, ca: string) {
    const nodeOptions = { ca, servername: "localhost", localAddress: "127.0.0.6" };
    const baseUrl = `https://${address.replace("localhost", "127.0.0.1")}`;
    const client = createClient(IstioCertificateService, createGrpcTransport({ baseUrl, nodeOptions }));
    const { signal } = this.#stop;
    const call = async (): Promise<void> => {
      while (!signal.aborted) {
        const headers = { authorization: `Bearer ${pod.forgeToken()}` };
        await client.createCertificate({ csr: "" }, { headers, signal }).catch(() => {
          this.refused += 1;
        });
      }
    };
    this.#calls = Promise.all(Array.from({ length: 8 }, call));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#calls;
  }
}
