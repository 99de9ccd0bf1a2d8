import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testPod, testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { workload } from "../../operator/configuration/manifests-fixture.ts";
import { type CliCluster, meshedNamespace, meshedPod, startCliCluster } from "../cluster/cluster-fixture.ts";
import { runForTest } from "../run-cli-fixture.ts";

const READERS = testResource(
  "AuthorizationPolicy",
  "readers",
  {
    selector: { matchLabels: { app: "web" } },
    rules: [{ from: [{ source: { namespaces: ["ns1"] } }], to: [{ operation: { methods: ["GET"] } }] }],
  },
  { namespace: "ns1" },
);
const WEB = testService({ name: "web", ports: [{ name: "http", port: 80, targetPort: 8080 }, { port: 9000 }] });
const MANIFESTS = [
  JSON.stringify(meshedNamespace("ns1")),
  ...["web", "client"].map((name) => JSON.stringify(workload("Deployment", name))),
  JSON.stringify(workload("Deployment", "bare", { labels: { "sidecar.istio.io/inject": "false" } })),
  WEB,
  testService({ name: "twin" }),
  testService({ name: "twin", namespace: "ns2" }),
  READERS,
];

describe("entente authz of a folder", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "entente-authz-"));
    writeFileSync(join(folder, "mesh.yaml"), MANIFESTS.join("\n---\n"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = (...args: readonly string[]) => runForTest("authz", ...args, "-f", folder);

  it("checks a pod", async () => {
    const { status, stdout } = await run("check", "web");
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /ALLOW +AuthorizationPolicy\/readers\.ns1 +selector app=web +0 +dropped +from namespace ns1; to method GET\n/,
    );
    expect((await run("check", "client")).stdout).toContain("No AuthorizationPolicy applies");
  });

  it.each([
    { args: ["--from", "client", "--to", "web:80"], status: 0, text: "ALLOWED web.ns1" },
    {
      args: ["--from", "client", "--to", "web:80", "--method", "POST"],
      status: 1,
      text: "it requires method GET; the request has POST",
    },
    { args: ["--from", "bare", "--to", "web:80"], status: 1, text: "the client sends plaintext and has no identity" },
    { args: ["--plaintext", "--to", "web:http"], status: 1, text: "DENIED web.ns1" },
    {
      args: ["--from-identity", "spiffe://cluster.local/ns/ns1/sa/any", "--to", "pod/web:8080", "--path", "/"],
      status: 0,
      text: "Allowed by AuthorizationPolicy/readers.ns1 rule 0",
    },
  ])("explains $args", async ({ args, status, text }) => {
    const result = await run("explain", ...args);
    expect(result.stderr).toBe("");
    expect(result.status).toBe(status);
    expect(result.stdout).toContain(text);
  });

  it("is the same as JSON", async () => {
    const checked = await run("check", "web", "-o", "json");
    expect(JSON.parse(checked.stdout)).toMatchObject({ byDefault: "denied", policies: [{ name: "readers" }] });
    const { status, stdout } = await run("explain", "--plaintext", "--to", "web:80", "-o", "json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      workloads: [{ workload: "web.ns1", verdict: { kind: "denied", by: "no-rule", nearest: { name: "readers" } } }],
    });
  });

  it.each([
    { name: "no word", args: [], status: 2, text: "must be check or explain, and it is missing" },
    { name: "another word", args: ["describe", "web"], status: 2, text: 'got "describe"' },
    { name: "no pod", args: ["check"], status: 2, text: "check takes one pod" },
    {
      name: "an option of the other",
      args: ["check", "web", "--method", "GET"],
      status: 2,
      text: "--method is an option of",
    },
    { name: "a pod for explain", args: ["explain", "web"], status: 2, text: "explain takes options only" },
    { name: "no client", args: ["explain", "--to", "web:80"], status: 2, text: "exactly one of --from" },
    {
      name: "a bad header",
      args: ["explain", "--plaintext", "--to", "web:80", "--header", "x"],
      status: 2,
      text: 'got "x"',
    },
    { name: "an unknown pod", args: ["check", "nobody"], status: 1, text: "there is no pod nobody; there is bare.ns1" },
    {
      name: "an unknown client",
      args: ["explain", "--from", "nobody", "--to", "web:80"],
      status: 1,
      text: "no pod nobody",
    },
    {
      name: "an unknown target",
      args: ["explain", "--plaintext", "--to", "x:80"],
      status: 1,
      text: "no service or pod x",
    },
    {
      name: "an unknown port",
      args: ["explain", "--plaintext", "--to", "web:81"],
      status: 1,
      text: "it has 80 (http), 9000",
    },
    { name: "no port", args: ["explain", "--plaintext", "--to", "web"], status: 1, text: "name one, as in web.ns1:80" },
    {
      name: "a name of two",
      args: ["explain", "--plaintext", "--to", "twin:80"],
      status: 1,
      text: "say twin.ns1 or twin.ns2",
    },
    {
      name: "a service without pods",
      args: ["explain", "--plaintext", "--to", "twin.ns1:8080"],
      status: 1,
      text: "no ready pod",
    },
  ])("ends with $status for $name", async ({ args, status, text }) => {
    const result = await run(...args);
    expect(result.stderr).toContain(text);
    expect([result.status, result.stdout]).toEqual([status, ""]);
  });

  it("describes a pod and a service with their policies", async () => {
    const pod = await runForTest("describe", "pod", "web", "-f", folder);
    expect(pod.stdout).toMatch(
      /Authorization: +ALLOW by AuthorizationPolicy\/readers\.ns1; what no rule matches is denied/,
    );
    const service = await runForTest("describe", "service", "web", "-f", folder);
    expect(service.stdout).toContain("ALLOW by AuthorizationPolicy/readers.ns1, for all of its pods");
  });
});

describe("entente authz of a cluster", () => {
  const cleanup = new Cleanup();
  let cluster: CliCluster;
  beforeEach(async () => {
    cluster = await startCliCluster(cleanup, { authorization: "rbac" });
    cluster.harness
      .put(meshedNamespace("ns1"), meshedPod("web"))
      .putTexts(WEB, READERS, testPod({ name: "old", ip: "10.0.0.2", meshed: false }));
  });
  afterEach(() => cleanup.run());

  it("checks a pod", async () => {
    const { status, stdout } = await cluster.run(["authz", "check", "web.ns1", "-o", "json"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      pod: "Pod/web.ns1",
      policies: [{ policy: "AuthorizationPolicy/readers.ns1", scope: { kind: "selector", labels: { app: "web" } } }],
    });
  });

  const page = (...policies: readonly object[]) => ({
    ...{ state: "active", path_normalization: "BASE", total_policies: policies.length, policies },
  });
  const READERS_IN_FORCE = { policy: "ns1/readers", action: "ALLOW", dry_run: false, rules: 1, allowed: 7, denied: 0 };

  it.each([
    {
      name: "the same",
      served: page(READERS_IN_FORCE),
      status: 0,
      texts: ["as the configuration demands", "7 allowed, 0 denied"],
    },
    {
      name: "an earlier version of the policy",
      served: page({ ...READERS_IN_FORCE, rules: 2 }),
      status: 1,
      texts: ["the proxy lacks ns1/readers (ALLOW, 1 rule); it still has ns1/readers (ALLOW, 2 rules)"],
    },
    { name: "nothing", served: page(), status: 1, texts: ["the proxy lacks ns1/readers (ALLOW, 1 rule): entente"] },
    {
      name: "nothing yet",
      served: { state: "none" },
      status: 0,
      texts: ["not known: the proxy has no configuration yet"],
    },
    { name: "another page", served: { state: "active" }, status: 0, texts: ["/authorization is not as expected"] },
    { name: "no page", served: undefined, status: 0, texts: ["not known: ", "ALLOW"] },
  ])("compares a pod's policies with what its proxy has in force: $name", async ({ served, status, texts }) => {
    if (served !== undefined) await cluster.serve("ns1/web:15000", served);
    const result = await cluster.run(["authz", "check", "web.ns1"]);
    expect([result.status, result.stderr]).toEqual([status, ""]);
    for (const text of texts) expect(result.stdout).toContain(text);
  });

  it("explains by the addresses of pods, in the kubeconfig's namespace or another", async () => {
    const explain = (...args: readonly string[]) => cluster.run(["authz", "explain", ...args]);
    const denied = await explain("--from", "old", "--to", "web:80", "-n", "ns1");
    expect([denied.status, denied.stderr]).toEqual([1, ""]);
    expect(denied.stdout).toContain("DENIED web.ns1");
    expect((await explain("--from", "web.ns1", "--to", "web.ns1:80")).status).toBe(0);
    expect((await explain("--from", "old", "--to", "web:80")).stderr).toContain("no pod old in namespace default");
  });
});
