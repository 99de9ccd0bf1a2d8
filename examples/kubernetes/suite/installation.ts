/**
 * The suite's set-up: checks what it needs, installs the mesh before all tests, and removes it after them, first with the
 * command and then with kubectl. With `ENTENTE_USE_INSTALLED=true` it tests the mesh that is there, and leaves it.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import {
  awaitRollout,
  getObjects,
  kubectl,
  type Ran,
  RUN_VARIABLE,
  runKubectl,
  runProgram,
  SYSTEM,
  TEST_LABEL,
  testRun,
} from "./kubectl-fixture.ts";

const MANIFESTS = "examples/kubernetes";
const DEPLOYMENTS = ["istiod", "istio-sidecar-injector", "istio-ingressgateway"] as const;
const ENTENTE = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));

export async function setup(): Promise<void> {
  const image = process.env["ENTENTE_IMAGE"];
  if (process.env["KUBECONFIG"] === undefined || image === undefined) {
    throw new Error(
      "npm run test:kubernetes needs KUBECONFIG, the cluster to test on, and ENTENTE_IMAGE, an image that its nodes have or can pull",
    );
  }
  const version = await kubectl(["version", "-o", "json"]);
  process.stdout.write(`the cluster: ${String(JSON.parse(version).serverVersion?.gitVersion)}, the image: ${image}\n`);
  const present = await runKubectl(["get", "namespace", SYSTEM, "-o", "name"]);
  if (present.status === 0 && !usesInstalledMesh()) {
    throw new Error(
      `the cluster has a namespace ${SYSTEM}: the suite installs its own mesh and touches no other; remove it first`,
    );
  }
  process.env[RUN_VARIABLE] = randomBytes(4).toString("hex");
  if (usesInstalledMesh()) return;
  process.stdout.write(await installMesh());
}

/** Whether the mesh under test was there before, and is left as it is. */
export function usesInstalledMesh(): boolean {
  return process.env["ENTENTE_USE_INSTALLED"] === "true";
}

/** Installs the mesh, or changes the one that this suite has installed. @param values `NAME=VALUE`, beside those of the suite */
export async function installMesh(...values: readonly string[]): Promise<string> {
  return await install(values.flatMap((value) => ["--set", value]));
}

/** The same with a tree of values, as from a file. */
export async function installMeshFrom(values: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entente-values-"));
  try {
    const file = join(folder, "values.yaml");
    await writeFile(file, JSON.stringify(values));
    return await install(["-f", file]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function install(options: readonly string[]): Promise<string> {
  const own = [`image=${process.env["ENTENTE_IMAGE"]}`, "gateway.serviceType=NodePort"];
  const output = await entente("install", ...own.flatMap((value) => ["--set", value]), ...options);
  for (const name of DEPLOYMENTS) await awaitRollout(SYSTEM, name);
  return output;
}

export async function teardown(): Promise<void> {
  // vitest calls this after a set-up that has failed, too. What was there before the set-up is not this suite's.
  if (process.env[RUN_VARIABLE] === undefined) return;
  try {
    await removeAll();
  } catch (caught) {
    // vitest prints a failure of the teardown, but exits with 0.
    process.exitCode = 1;
    throw caught;
  }
}

async function removeAll(): Promise<void> {
  await kubectl(["delete", "namespaces", "-l", `${TEST_LABEL}=${testRun()}`, "--timeout=90s"]);
  if (usesInstalledMesh()) return;
  process.stdout.write(await entente("uninstall", "--purge"));
  await expectNothingLeft("entente uninstall --purge");
  await applyAndDeleteManifests();
  await expectNothingLeft("kubectl delete -k");
}

/** As a user without the command does: the manifests, with the image of this run, and away with them again. */
async function applyAndDeleteManifests(): Promise<void> {
  await kubectl(["apply", "-k", MANIFESTS]);
  const image = process.env["ENTENTE_IMAGE"];
  for (const name of DEPLOYMENTS) {
    await kubectl(["set", "image", `deployment/${name}`, `*=${image}`, "-n", SYSTEM]);
    await awaitRollout(SYSTEM, name);
  }
  await kubectl(["delete", "-k", MANIFESTS, "--timeout=110s"]);
  process.stdout.write("the manifests were applied, and deleted again\n");
}

async function expectNothingLeft(command: string): Promise<void> {
  const kinds = "crds,mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings";
  const left = (await getObjects(kinds)).filter(({ metadata }) => /istio|entente/.test(metadata.name));
  const names = left.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  const namespace = await runKubectl(["get", "namespace", SYSTEM, "-o", "name"]);
  const inNamespaces = (await getObjects("configmaps,secrets", "-A"))
    .filter(({ metadata }) => /istio|entente/.test(metadata.name) && metadata.namespace !== SYSTEM)
    .map(({ kind, metadata }) => `${kind}/${metadata.name} in ${metadata.namespace}`);
  if (names.length > 0 || inNamespaces.length > 0 || namespace.status === 0) {
    throw new Error(`${command} left ${[...names, ...inNamespaces, namespace.stdout.trim()].join(", ")}`);
  }
}

/** Runs the command line under test, whatever its status. */
export function runEntente(...args: readonly string[]): Promise<Ran> {
  return runProgram(process.execPath, [ENTENTE, ...args], { timeoutMs: 240_000 });
}

/** Adds sidecars to objects, as with `entente inject`. @param options of that command */
export async function inject(
  objects: readonly KubernetesObject[],
  ...options: readonly string[]
): Promise<readonly KubernetesObject[]> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  const ran = await runProgram(process.execPath, [ENTENTE, "inject", "-f", "-", ...options], { input });
  if (ran.status !== 0) throw new Error(`entente inject failed with ${ran.status}: ${ran.stderr}`);
  const { items }: { readonly items: readonly KubernetesObject[] } = JSON.parse(ran.stdout);
  return items;
}

/** Runs the command line under test; returns its output, or throws with its error. */
export async function entente(...args: readonly string[]): Promise<string> {
  const ran = await runEntente(...args);
  if (ran.status !== 0)
    throw new Error(`entente ${args.join(" ")} failed with ${ran.status}: ${ran.stderr}${ran.stdout}`);
  return ran.stdout;
}
