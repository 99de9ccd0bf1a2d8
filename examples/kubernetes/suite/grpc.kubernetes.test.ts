import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { GREETER_POLICY } from "../../hello-tls/demo/authorization/policies.ts";
import { type ClientPod, createClient, type GrpcReply } from "./client-pod-fixture.ts";
import { grpcManifests } from "./demo-manifests-fixture.ts";
import { apply, awaitRollout, getObjects, kubectl, podNames, remove, requireNoNamespace } from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider } from "./world-fixture.ts";

const NAMESPACE = "hello-grpc";
const URL = `http://greeter.${NAMESPACE}:50051`;
const FORGED = { "x-forwarded-client-cert": "By=forged;URI=forged" };
const PROVED =
  /^By=spiffe:\/\/cluster\.local\/ns\/hello-grpc\/sa\/greeter;Hash=[0-9a-f]{64};Subject="";URI=spiffe:\/\/cluster\.local\/ns\/hello-grpc\/sa\/default$/;
const CALLS = 20;

let manifests: readonly KubernetesObject[];
let outside: ClientNamespace;
let client: ClientPod;

beforeAll(async () => {
  await requireNoNamespace(NAMESPACE);
  manifests = await grpcManifests();
  outside = await createOutsider();
  await apply(manifests);
  client = await createClient(NAMESPACE, "client");
  await awaitRollout(NAMESPACE, "greeter");
  await awaitRollout(NAMESPACE, "caller");
});

afterAll(async () => {
  if (manifests !== undefined) await remove(manifests);
  await outside?.remove();
});

function podsOf(replies: readonly GrpcReply[]): readonly string[] {
  return [...new Set(replies.map(({ pod }) => pod ?? "none"))].sort();
}

/** The sums of a proxy's counters with all these labels, as Prometheus reads them. */
async function countCalls(labels: readonly string[]): Promise<number> {
  const pods = await getObjects("pods", "-n", NAMESPACE, "-l", "app in (greeter,client)");
  const pages = await Promise.all(pods.map(({ status }) => readMetrics(status)));
  const lines = pages.flatMap((page) => page.split("\n")).filter((line) => line.startsWith("istio_requests_total{"));
  return lines
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split("} ")[1]), 0);
}

async function readMetrics(status: unknown): Promise<string> {
  const ip: unknown = typeof status === "object" && status !== null ? Reflect.get(status, "podIP") : undefined;
  return (await outside.client.send({ url: `http://${String(ip)}:15020/stats/prometheus` })).body ?? "";
}

describe("gRPC", () => {
  it("calls of one connection reach both pods, with the client's identity instead of a forged one", async () => {
    const call = () => client.callGrpc({ url: URL, headers: FORGED, count: CALLS });
    await expect
      .poll(async () => podsOf(await call()), { timeout: 60_000 })
      .toEqual(await podNames(NAMESPACE, "app=greeter").then((names) => [...names].sort()));
    for (const reply of await call()) {
      expect(reply).toMatchObject({ status: "0", caller: expect.stringMatching(PROVED) });
    }
  });

  it.each(["source", "destination"])("calls are counted with their status at the %s", async (reporter) => {
    const labels = ['request_protocol="grpc"', 'grpc_response_status="0"', `reporter="${reporter}"`, "/sa/default"];
    await expect.poll(() => countCalls(labels), { timeout: 30_000 }).toBeGreaterThanOrEqual(2 * CALLS);
  });

  it("plaintext is refused under STRICT", async () => {
    const soon = { timeout: 10_000 };
    await expect.poll(() => outside.client.callGrpc({ url: URL, count: 1 }), soon).toEqual([{ error: "ECONNRESET" }]);
  });

  it("replacing both pods fails no call of the application", async () => {
    const log = () => kubectl(["logs", "-n", NAMESPACE, "deployment/caller", "-c", "caller"]);
    const before = await log();
    await kubectl(["rollout", "restart", "deployment/greeter", "-n", NAMESPACE]);
    await awaitRollout(NAMESPACE, "greeter");
    const [newest = ""] = await podNames(NAMESPACE, "app=greeter");
    await expect.poll(log, { timeout: 30_000, interval: 1000 }).toContain(`(${newest})`);
    const lines = (await log()).slice(before.length).trim().split("\n");
    expect(lines.filter((line) => !/^hello caller \d+ \(greeter-[\w-]+\)$/.test(line))).toEqual([]);
  });

  it("a policy that denies the application's account denies its calls alone, until it is deleted", async () => {
    const policy: KubernetesObject = parse(GREETER_POLICY);
    const latest = () => kubectl(["logs", "-n", NAMESPACE, "deployment/caller", "-c", "caller", "--tail=1"]);
    await apply([policy]);
    await expect.poll(latest, { timeout: 30_000 }).toBe("[permission_denied] RBAC: access denied\n");
    expect(await client.callGrpc({ url: URL, count: 1 })).toMatchObject([{ status: "0" }]);
    await remove([policy]);
    await expect.poll(latest, { timeout: 30_000 }).toMatch(/^hello caller \d+ /);
  });
});
