import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { INSTALLED_KINDS } from "../install/cluster/installed-kinds.ts";
import { KINDS } from "../kubernetes/kinds.ts";
import { createKubectl, HAS_KUBECTL, type Kubectl } from "../kubernetes/test-server/kubectl-fixture.ts";
import { startTestApiServer, type TestApiServer } from "../kubernetes/test-server/test-api-server-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { EXAMPLE_FOLDER } from "./kubernetes-example.ts";

const RESOURCES = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: world, namespace: default }
spec: { host: world.ns2.svc.cluster.local }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: hello, namespace: default }
spec: { hosts: [hello.example], gateways: [edge], http: [{ route: [{ destination: { host: hello } }] }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { selector: { istio: ingressgateway }, servers: [] }
`;

const cleanup = new Cleanup();
let server: TestApiServer;
let kubectl: Kubectl;

beforeEach(async () => {
  server = await startTestApiServer(cleanup);
  kubectl = createKubectl(server.kubeconfig(), cleanup);
});
afterEach(() => cleanup.run());

function objectsOfServer(): readonly string[] {
  return INSTALLED_KINDS.flatMap((kind) =>
    server.cluster
      .list(kind, {})
      .items.map(({ metadata }) => `${kind.kind} ${metadata.namespace ?? ""}/${metadata.name}`),
  );
}

/** The lines of a table, without the column of the age, which is the last one. */
async function tableOf(resource: string): Promise<readonly string[]> {
  const text = await kubectl.run("get", resource);
  return text
    .trim()
    .split("\n")
    .map((line) => line.replace(/ +(?:AGE|\d+[smh])$/, "").replace(/ {2,}/g, "  "));
}

describe.skipIf(!HAS_KUBECTL)("kubectl and examples/kubernetes", () => {
  it("install the mesh, find no difference afterwards, and remove all of it", async () => {
    const before = objectsOfServer();
    const applied = await kubectl.run("apply", "-k", EXAMPLE_FOLDER);
    expect(
      applied
        .trim()
        .split("\n")
        .every((line) => line.endsWith(" created")),
    ).toBe(true);
    expect(objectsOfServer()).toContain("Deployment istio-system/istiod");
    expect(await kubectl.try("diff", "-k", EXAMPLE_FOLDER)).toEqual({ status: 0, stdout: "", stderr: "" });
    await kubectl.run("delete", "-k", EXAMPLE_FOLDER, "--ignore-not-found");
    expect(objectsOfServer()).toEqual(before);
  });

  it("leave the resource definitions, and what is in them, when only examples/kubernetes/mesh is deleted", async () => {
    await kubectl.run("apply", "-k", EXAMPLE_FOLDER);
    await kubectl.run("delete", "-k", join(EXAMPLE_FOLDER, "mesh"), "--ignore-not-found");
    expect(server.cluster.list(KINDS.customResourceDefinitions, {}).items).toHaveLength(8);
    expect(server.cluster.list(KINDS.deployments, {}).items).toEqual([]);
  });

  it("show what a change would do, on the client's and on the server's side, and do nothing", async () => {
    // Without the mesh, whose validating webhook has no injector here, and fails closed.
    await kubectl.run("apply", "-k", join(EXAMPLE_FOLDER, "crds"));
    const file = join(kubectl.folder, "change.yaml");
    writeFileSync(file, RESOURCES);
    for (const side of ["client", "server"]) {
      const output = await kubectl.run("apply", `--dry-run=${side}`, "-f", file);
      expect(output).toMatch(/peerauthentication\S* created \((?:server )?dry run\)/);
    }
    const { status, stdout } = await kubectl.try("diff", "-f", file);
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^\+ +mode: STRICT$/m)]);
    expect(await kubectl.run("get", "peerauthentication", "-A", "-o", "name")).toBe("");
  });

  it("show Istio's columns of each kind", async () => {
    await kubectl.run("apply", "-k", join(EXAMPLE_FOLDER, "crds"));
    const file = join(kubectl.folder, "resources.yaml");
    writeFileSync(file, RESOURCES);
    await kubectl.run("apply", "-f", file);
    expect(await tableOf("peerauthentication")).toEqual(["NAME  MODE", "default  STRICT"]);
    expect(await tableOf("dr")).toEqual(["NAME  HOST", "world  world.ns2.svc.cluster.local"]);
    expect(await tableOf("vs")).toEqual(["NAME  GATEWAYS  HOSTS", 'hello  ["edge"]  ["hello.example"]']);
    expect(await tableOf("gw")).toEqual(["NAME", "edge"]);
  });
});
