import { createServer } from "node:https";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { renderInstallation } from "../../install/render-installation.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { withBundle } from "../../operator/checks/healthy-cluster-fixture.ts";
import { type CliCluster, listenUntilEnd, meshedNamespace, startCliCluster } from "../cluster/cluster-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const root = mintRoot();
const serving = mintLeaf({
  issuer: root,
  uriSans: [],
  dnsSans: ["istio-sidecar-injector.istio-system.svc", "istio-sidecar-injector-canary.istio-system.svc"],
  notBefore: new Date(Date.now() - 60_000),
  notAfter: new Date(Date.now() + 3_600_000),
});

/** A webhook that adds a container of this name to every pod. */
async function startWebhook(container: string): Promise<number> {
  const server = createServer({ cert: serving.pem, key: serving.keyPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { apiVersion, kind, request: review } = JSON.parse(Buffer.concat(chunks).toString());
      const operations = [{ op: "add", path: "/spec/containers/-", value: { name: container, image: "i" } }];
      const patch = Buffer.from(JSON.stringify(operations)).toString("base64");
      const answer = { uid: review.uid, allowed: true, patchType: "JSONPatch", patch };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ apiVersion, kind, response: answer }));
    });
  });
  return await listenUntilEnd(cleanup, server);
}

/** A namespace whose pods get a sidecar of this revision. */
function revisionNamespace(name: string, revision: string): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { "istio.io/rev": revision } } };
}

interface Check {
  readonly title: string;
  readonly outcome: { readonly kind: string; readonly message?: string };
}

function find(stdout: string, title: string): Check["outcome"] | undefined {
  const { groups }: { readonly groups: readonly { readonly checks: readonly Check[] }[] } = JSON.parse(stdout);
  return groups.flatMap(({ checks }) => checks).find((check) => check.title.includes(title))?.outcome;
}

describe("entente check", () => {
  let cluster: CliCluster;
  let webhookPort = 0;
  beforeEach(async () => {
    webhookPort = await startWebhook("istio-proxy");
    cluster = await startCliCluster(cleanup, {
      authorization: "rbac",
      resolveService: () => `127.0.0.1:${webhookPort}`,
    });
    cluster.harness.put(meshedNamespace("ns1"));
    const webhooks = cluster.server.cluster.list(KINDS.mutatingWebhooks, {}).items;
    cluster.harness.put(...webhooks.map((one) => withBundle(one, root.pem)));
  });

  it("finds that a new pod gets a sidecar, and stores none", async () => {
    const { stdout } = await cluster.run(["check", "-o", "json"]);
    expect(find(stdout, "a new pod gets a sidecar")).toEqual({ kind: "ok", message: "in namespace ns1" });
    expect(cluster.server.cluster.list(KINDS.pods, {}).items).toEqual([]);
  });

  it.each([
    { name: "a namespace that chooses it", namespaces: [revisionNamespace("ns2", "canary")], used: "ns2" },
    { name: "no namespace that chooses it", namespaces: [], used: "default" },
  ])("tries the webhook of the revision that is installed, with $name", async ({ namespaces, used }) => {
    const { cluster: objects } = cluster.server;
    for (const { metadata } of objects.list(KINDS.mutatingWebhooks, {}).items)
      objects.delete(KINDS.mutatingWebhooks, { name: metadata.name });
    const canary = renderInstallation(parseInstallValues({ expressions: ["revision=canary"] }));
    const webhooks = canary
      .flatMap((part) => part.objects)
      .filter(({ kind }) => kind === "MutatingWebhookConfiguration");
    cluster.harness.put(...webhooks.map((one) => withBundle(one, root.pem)), ...namespaces);
    const { stdout } = await cluster.run(["check", "-o", "json"]);
    expect(find(stdout, "a new pod gets a sidecar")).toEqual({ kind: "ok", message: `in namespace ${used}` });
  });

  it("finds that the webhook cannot be reached, and ends with 1", async () => {
    webhookPort = 1;
    const { status, stdout } = await cluster.run(["check", "-o", "json"]);
    expect(status).toBe(1);
    expect(find(stdout, "a new pod gets a sidecar")).toMatchObject({
      kind: "failed",
      message: expect.stringContaining("failed calling webhook"),
    });
  });

  it("finds the rights that an installation lacks", async () => {
    const admin = await cluster.run(["check", "--pre", "-o", "json"]);
    expect(find(admin.stdout, "you may create")?.kind).toBe("ok");
    const token = cluster.server.identities.addUser("guest");
    const guest = await cluster.run(["check", "--pre", "-o", "json"], token);
    expect(guest.status).toBe(1);
    expect(find(guest.stdout, "you may create")?.message).toContain(
      "patch deployments.apps in the namespace istio-system",
    );
    expect(find(guest.stdout, "the resource definitions fit")?.kind).toBe("skipped");
  });

  it("prints what is not in order, with hints", async () => {
    const { status, stdout } = await cluster.run(["check", "-o", "short"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^installation\n {2}failed {3}the control plane's replicas are ready: istiod: 0 of 2 ready\n {11}\S/m,
    );
    expect(stdout).not.toContain("  ok ");
  });

  it.each([
    { args: ["-o", "yaml"], message: "--output must be text or short or json" },
    { args: ["--wait", "long"], message: "--wait must be a duration" },
  ])("refuses $args", async ({ args, message }) => {
    const { status, stderr } = await cluster.run(["check", ...args]);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
