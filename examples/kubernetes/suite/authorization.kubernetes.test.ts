import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { ONLY_GET_RULE, WORLD_POLICIES } from "../../hello-tls/demo/authorization/policies.ts";
import { authorizationPolicy, explain, HELD_PORTS, heldServer, sumCounter } from "./authorization-fixture.ts";
import { type ClientPod, createClient, type HeldExchange, type HoldJob } from "./client-pod-fixture.ts";
import { prepareDemo, startDemo } from "./demo-manifests-fixture.ts";
import { entente } from "./installation.ts";
import {
  apply,
  awaitRollout,
  createNamespace,
  INJECTED,
  kubectl,
  podNames,
  remove,
  type TestNamespace,
} from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider } from "./world-fixture.ts";

const POLICIES: readonly KubernetesObject[] = parseAllDocuments(WORLD_POLICIES).map((document) => document.toJS());
const WORLD = "http://world.ns2:8080/";
const GATEWAY = { url: "http://istio-ingressgateway.istio-system/", headers: { host: "hello-tls.example.com" } };
const SOON = { timeout: 15_000 };
const SERVED = { status: 200, body: expect.stringMatching(/^world\s+!!!$/) };
const DENIED = { status: 403, body: "RBAC: access denied" };
const REFUSED = { error: "ECONNRESET" };

let manifests: readonly KubernetesObject[] | undefined;
let mesh: TestNamespace;
let outside: ClientNamespace;
let clients: Readonly<Record<"hello" | "other" | "outsider", ClientPod>>;

beforeAll(async () => {
  manifests = await prepareDemo();
  mesh = await createNamespace("authorization", INJECTED);
  outside = await createOutsider();
  await startDemo(manifests);
  await apply(heldServer(mesh.name, "held"));
  clients = {
    // With the account of the application hello.
    hello: await createClient("ns1", "client"),
    other: await createClient(mesh.name, "client"),
    outsider: outside.client,
  };
  await awaitRollout(mesh.name, "held");
});

afterAll(async () => {
  if (manifests !== undefined) await remove(manifests);
  await Promise.all([mesh?.remove(), outside?.remove()]);
});

/** The pods by the names that `--from` takes. */
function nameOf(client: keyof typeof clients): string {
  return `client.${{ hello: "ns1", other: mesh.name, outsider: outside.namespace }[client]}`;
}

const ALLOWED_BY = (policy: string) => `allowed by AuthorizationPolicy/${policy} rule 0`;
const DENIED_BY = (policy: string) => `denied by AuthorizationPolicy/${policy} rule 0`;

interface Turn {
  readonly name: string;
  readonly policies: readonly KubernetesObject[];
  /** What traffic shows, and what the explanation says. */
  readonly cases: readonly {
    readonly client: keyof typeof clients;
    readonly method: string;
    readonly reply: object;
    readonly verdict: string;
  }[];
}

const TURNS: readonly Turn[] = [
  {
    name: "without a policy",
    policies: [],
    cases: [
      { client: "hello", method: "GET", reply: SERVED, verdict: "allowed by no-policy" },
      { client: "hello", method: "POST", reply: SERVED, verdict: "allowed by no-policy" },
      { client: "other", method: "GET", reply: SERVED, verdict: "allowed by no-policy" },
      { client: "outsider", method: "GET", reply: REFUSED, verdict: "denied by tls" },
    ],
  },
  {
    name: "with the policies of the demo",
    policies: POLICIES,
    cases: [
      { client: "other", method: "GET", reply: DENIED, verdict: "denied by no-rule" },
      { client: "other", method: "POST", reply: DENIED, verdict: DENIED_BY("only-get.ns2") },
      { client: "hello", method: "POST", reply: DENIED, verdict: DENIED_BY("only-get.ns2") },
      { client: "hello", method: "GET", reply: SERVED, verdict: ALLOWED_BY("only-hello.ns2") },
      { client: "outsider", method: "GET", reply: REFUSED, verdict: "denied by tls" },
    ],
  },
  {
    name: "when the policies are deleted",
    policies: [],
    cases: [
      { client: "other", method: "GET", reply: SERVED, verdict: "allowed by no-policy" },
      { client: "other", method: "POST", reply: SERVED, verdict: "allowed by no-policy" },
      { client: "hello", method: "POST", reply: SERVED, verdict: "allowed by no-policy" },
    ],
  },
];

describe.each(TURNS)("world.ns2 $name", ({ policies, cases }) => {
  beforeAll(async () => {
    if (policies.length === 0) await remove(POLICIES);
    else await apply(policies);
  });

  it.each(cases)(
    "$client $method: $verdict, by traffic and explanation",
    async ({ client, method, reply, verdict }) => {
      await expect.poll(() => clients[client].send({ url: WORLD, method }), SOON).toMatchObject(reply);
      const options = ["--from", nameOf(client), "--to", "world.ns2:8080", "--method", method];
      expect(await explain(...options)).toBe(verdict);
    },
  );

  it("the chain through the ingress gateway is served", async () => {
    const reply = { status: 200, body: expect.stringMatching(/^hello\s+world\s+!!!$/) };
    await expect.poll(() => clients.outsider.send(GATEWAY), SOON).toMatchObject(reply);
  });

  it("its pod's proxy enforces what the configuration demands, as authz check reports", async () => {
    const [pod = "none"] = await podNames("ns2", "app=world");
    const report = JSON.parse(await entente("authz", "check", `${pod}.ns2`, "-o", "json"));
    const names = policies.map(({ metadata }) => `AuthorizationPolicy/${metadata.name}.ns2`);
    expect(report.policies.map(({ policy }: { readonly policy: string }) => policy).sort()).toEqual(names.sort());
    expect(report.enforced).toMatchObject({ kind: "compared", missing: [], surplus: [] });
    const decided = report.enforced.decisions.map(({ policy }: { readonly policy: string }) => policy).sort();
    expect(decided).toEqual(policies.map(({ metadata }) => `ns2/${metadata.name}`).sort());
  });
});

it("the log and the metrics of world's proxy name the rule that denied", async () => {
  const log = () => kubectl(["logs", "-n", "ns2", "deployment/world-tls", "-c", "istio-proxy"]);
  const denials = async () =>
    (await log()).split("\n").filter((line) => line.includes('"code":"authorization_denied"'));
  await expect.poll(denials, SOON).toContainEqual(expect.stringContaining(`"rule":"${ONLY_GET_RULE}"`));
  // The two POSTs of the policies' turn.
  const denied = /^entente_rbac_total\{.*"denied".*rule="ns\[ns2\]-policy\[only-get\]-rule\[0\]"/;
  expect(await sumCounter("ns2", "app=world", denied)).toBeGreaterThanOrEqual(2);
});

/** What a changed policy may take until what is open has ended; the cluster may be a slow one. */
const IN_FORCE_MS = 3000;

describe("a policy that denies a client", () => {
  const opened: HeldExchange[] = [];
  const notHello = () => {
    const rules = [{ from: [{ source: { principals: ["cluster.local/ns/ns1/sa/default"] } }] }];
    return authorizationPolicy(mesh.name, "not-hello", { action: "DENY", rules });
  };
  async function hold(client: ClientPod, kind: HoldJob["kind"]): Promise<HeldExchange> {
    const held = await client.hold({ kind, host: `held.${mesh.name}`, port: HELD_PORTS[kind] });
    opened.push(held);
    return held;
  }

  afterEach(async () => {
    for (const { stop } of opened) stop();
    await Promise.all(opened.splice(0).map(({ ended }) => ended));
    await remove([notHello()]);
  });

  it.each<{ kind: HoldJob["kind"]; cut: RegExp; denied: RegExp }>([
    { kind: "request", cut: /^(aborted|ECONNRESET)$/, denied: /^status 403$/ },
    { kind: "grpc", cut: /^(grpc-status 7|ERR_HTTP2_STREAM_ERROR)$/, denied: /^grpc-status 7$/ },
    { kind: "tcp", cut: /^ECONNRESET$/, denied: /^(ECONNRESET|end of stream)$/ },
  ])("ends its open $kind at once, and no other client's", async ({ kind, cut, denied }) => {
    const [held, other] = [await hold(clients.hello, kind), await hold(clients.other, kind)];
    expect([held.isOpen, other.isOpen]).toEqual([true, true]);
    await apply([notHello()]);
    const changedMs = performance.now();
    expect(await held.ended).toMatch(cut);
    expect(performance.now() - changedMs).toBeLessThan(IN_FORCE_MS);
    const again = await hold(clients.hello, kind);
    expect(await again.ended).toMatch(denied);
    expect(again.isOpen).toBe(false);
    other.stop();
    expect(await other.ended).toBe("stopped");
  });
});
