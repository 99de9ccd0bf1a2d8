import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { renderInstallation } from "../../install/render-installation.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { startTestApiServer, type TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { runForTest } from "../run-cli-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "entente-install-"));
const cleanup = new Cleanup();
afterEach(() => cleanup.run());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("entente install -o", () => {
  const objects = renderInstallation(parseInstallValues()).flatMap((part) => part.objects);

  it("yaml prints what would be applied, and needs no cluster", async () => {
    const { status, stdout } = await runForTest("install", "-o", "yaml");
    expect(parseKubernetesYaml(stdout).map((document): unknown => document.toJS())).toEqual(
      JSON.parse(JSON.stringify(objects)),
    );
    expect(status).toBe(0);
  });

  it("json prints the same as one List", async () => {
    const { stdout } = await runForTest("install", "-o", "json");
    expect(JSON.parse(stdout)).toEqual({ apiVersion: "v1", kind: "List", items: JSON.parse(JSON.stringify(objects)) });
  });

  it("takes values from files, --set, and the options that have a name of their own", async () => {
    const file = write("values.yaml", "trustDomain: example.org\nimage: entente:file\n");
    const args = ["-f", file, "--set", "image=entente:set", "--revision", "canary", "-n", "mesh"];
    const { stdout } = await runForTest("install", "-o", "yaml", ...args);
    for (const text of ["trustDomain: example.org", "image: entente:set", "name: istiod-canary", "namespace: mesh"]) {
      expect(stdout).toContain(text);
    }
  });

  it("ends quietly when its reader has enough", () => {
    const command = `"${process.execPath}" cli/main.ts install -o yaml | head -1`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
    expect({ stdout, stderr }).toEqual({ stdout: "apiVersion: apiextensions.k8s.io/v1\n", stderr: "" });
  });
});

describe("an invalid command line", () => {
  it.each([
    { args: ["--set", "gatway.replicas=2"], status: 1, message: "there is no value gatway; did you mean gateway?" },
    { args: ["-o", "table"], status: 2, message: '--output must be yaml or json, got "table"' },
    { args: ["--wait", "maybe"], status: 2, message: '--wait must be true or false, got "maybe"' },
    { args: ["-f", "/does/not/exist"], status: 1, message: "/does/not/exist" },
  ])("$args is refused", async ({ args, status, message }) => {
    const outcome = await runForTest("install", ...args);
    expect(outcome.stderr).toContain(message);
    expect(outcome.status).toBe(status);
  });
});

describe("a cluster", () => {
  async function startCluster(options: Parameters<typeof startTestApiServer>[1] = {}) {
    const server = await startTestApiServer(cleanup, options);
    return { server, kubeconfig: (token?: string) => write("kubeconfig", server.kubeconfig(token)) };
  }

  function deployments(server: TestApiServer): readonly string[] {
    return server.cluster.list(KINDS.deployments, {}).items.map(({ metadata }) => metadata.name);
  }

  it("gets the mesh with `install`, and is left without it by `uninstall`", async () => {
    const { server, kubeconfig } = await startCluster();
    const installed = await runForTest("install", "--wait", "false", "--kubeconfig", kubeconfig());
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(deployments(server)).toEqual(["istio-ingressgateway", "istio-sidecar-injector", "istiod"]);
    const removed = await runForTest("uninstall", "--purge", "--timeout", "1s", "--kubeconfig", kubeconfig());
    expect(removed).toMatchObject({ status: 0, stderr: "" });
    expect(deployments(server)).toEqual([]);
  });

  it("is not changed by `uninstall --dry-run`, which reports as JSON or YAML what the removal deletes and keeps", async () => {
    const { server, kubeconfig } = await startCluster();
    await runForTest("install", "--wait", "false", "--kubeconfig", kubeconfig());
    const uninstall = async (...args: readonly string[]) => {
      const { status, stdout } = await runForTest(
        "uninstall",
        ...args,
        "--timeout",
        "1s",
        "--kubeconfig",
        kubeconfig(),
      );
      expect(status).toBe(0);
      return stdout;
    };
    const asJson = JSON.parse(await uninstall("--dry-run", "-o", "json"));
    const asYaml = parseKubernetesYaml(await uninstall("--dry-run", "-o", "yaml")).map((one): unknown => one.toJS());
    expect(asYaml).toEqual([asJson]);
    expect(await uninstall("--dry-run")).toContain("Deployment istio-system/istiod deleted (dry run)\n");
    expect(deployments(server)).toHaveLength(3);
    const { deleted, kept } = JSON.parse(await uninstall("-o", "json"));
    expect(deployments(server)).toEqual([]);
    expect(asJson).toEqual({ dryRun: true, deleted, kept, notes: expect.any(Array) });
    expect(deleted).toContainEqual({ kind: "Deployment", namespace: "istio-system", name: "istiod" });
    expect(kept).toContainEqual({
      kind: "CustomResourceDefinition",
      name: "peerauthentications.security.istio.io",
      reason: "the mesh's policies and routes are in them",
    });
  });

  it("refuses a dry run of a removal that the caller has no right to", async () => {
    const { server, kubeconfig } = await startCluster({ authorization: "rbac" });
    const args = ["uninstall", "--dry-run", "--kubeconfig", kubeconfig(server.identities.addUser("bob"))];
    expect(await runForTest(...args)).toMatchObject({ status: 1, stderr: expect.stringContaining("forbidden") });
  });

  it("that is too old is refused with its version", async () => {
    const { kubeconfig } = await startCluster({ gitVersion: "v1.28.9" });
    const { status, stderr } = await runForTest("install", "--kubeconfig", kubeconfig());
    expect(stderr).toContain("Kubernetes v1.28.9 is too old; 1.29 or later is needed");
    expect(status).toBe(1);
  });

  it("whose rights are missing is not changed, and each right is named", async () => {
    const { server, kubeconfig } = await startCluster({ authorization: "rbac" });
    const { status, stderr } = await runForTest(
      "install",
      "--kubeconfig",
      kubeconfig(server.identities.addUser("bob")),
    );
    expect(stderr).toContain("you may not get customresourcedefinitions.apiextensions.k8s.io, get namespaces");
    expect(status).toBe(1);
    expect(deployments(server)).toEqual([]);
  });
});
