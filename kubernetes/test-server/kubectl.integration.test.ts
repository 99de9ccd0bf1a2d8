import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import { createKubectl, HAS_KUBECTL, type Kubectl } from "./kubectl-fixture.ts";
import { startTestApiServer, type TestApiServer } from "./test-api-server-fixture.ts";

const cleanup = new Cleanup();
let server: TestApiServer;
let program: Kubectl;

beforeEach(async () => {
  server = await startTestApiServer(cleanup);
  program = createKubectl(server.kubeconfig(), cleanup);
  server.cluster.create(KINDS.customResourceDefinitions, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "destinationrules.networking.istio.io" },
    spec: {
      group: "networking.istio.io",
      scope: "Namespaced",
      names: { plural: "destinationrules", singular: "destinationrule", kind: "DestinationRule", shortNames: ["dr"] },
      versions: [{ name: "v1", served: true, storage: true }],
    },
  });
});
afterEach(() => cleanup.run());

function kubectl(...args: readonly string[]): Promise<string> {
  return program.run(...args);
}

async function manifest(host: string, port: number): Promise<string> {
  const path = join(program.folder, "manifest.yaml");
  await writeFile(
    path,
    `
apiVersion: v1
kind: Service
metadata: { name: world, namespace: default }
spec: { ports: [{ name: http, port: ${port}, protocol: TCP }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: world, namespace: default }
spec: { host: ${host} }
`,
  );
  return path;
}

describe.skipIf(!HAS_KUBECTL)("kubectl", () => {
  it("applies, applies again without a change, and changes", async () => {
    expect(await kubectl("apply", "-f", await manifest("world", 80))).toBe(
      "service/world created\ndestinationrule.networking.istio.io/world created\n",
    );
    expect(await kubectl("apply", "-f", await manifest("world", 80))).toBe(
      "service/world unchanged\ndestinationrule.networking.istio.io/world unchanged\n",
    );
    expect(await kubectl("apply", "-f", await manifest("world.default.svc", 80))).toContain("world configured");
    const rule = JSON.parse(await kubectl("get", "dr", "world", "-o", "json"));
    expect(rule.spec).toEqual({ host: "world.default.svc" });
  });

  it("applies on the server's side", async () => {
    await kubectl("apply", "--server-side", "-f", await manifest("world", 80));
    await kubectl("apply", "--server-side", "-f", await manifest("world", 81));
    expect(JSON.parse(await kubectl("get", "service", "world", "-o", "json")).spec).toEqual({
      ports: [{ name: "http", port: 81, protocol: "TCP" }],
    });
  });

  it("changes nothing by a dry run on the server", async () => {
    expect(await kubectl("apply", "--dry-run=server", "-f", await manifest("world", 80))).toContain(
      "service/world created (server dry run)",
    );
    expect(server.cluster.list(KINDS.services, {}).items).toEqual([]);
  });

  it("lists by label and in all namespaces, and deletes", async () => {
    await kubectl("apply", "-f", await manifest("world", 80));
    await kubectl("label", "service", "world", "tier=back");
    expect(await kubectl("get", "services", "-A", "-l", "tier=back", "-o", "name")).toBe("service/world\n");
    expect(await kubectl("get", "services", "-A", "-l", "tier!=back", "-o", "name")).toBe("");
    expect(await kubectl("delete", "-f", await manifest("world", 80))).toContain('service "world" deleted');
  });
});
