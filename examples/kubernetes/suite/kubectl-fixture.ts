/** For the suite: the cluster that `KUBECONFIG` names, through kubectl as a user would use it. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { KubernetesObject, NewKubernetesObject } from "../../../kubernetes/kubernetes-api.ts";

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 120_000;

/** Runs kubectl, whatever its status. */
export function runKubectl(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runProgram("kubectl", args, options);
}

/** Runs a program to its end. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { input = "", timeoutMs = TIMEOUT_MS }: RunOptions = {},
): Promise<Ran> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], timeout: timeoutMs });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => undefined).end(input);
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { status, stdout, stderr };
}

/** Runs kubectl; returns its output, or throws with its error. */
export async function kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await runKubectl(args, options);
  if (status !== 0) throw new Error(`kubectl ${args.join(" ")} failed with ${status}: ${stderr.trim()}`);
  return stdout;
}

/** Applies objects; returns kubectl's messages, warnings included. */
export async function apply(objects: readonly (KubernetesObject | NewKubernetesObject)[]): Promise<string> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  const { status, stdout, stderr } = await runKubectl(["apply", "-f", "-"], { input: JSON.stringify(list) });
  if (status !== 0) throw new Error(`kubectl apply failed: ${stderr.trim()}`);
  return `${stdout}${stderr}`;
}

/** Deletes objects, as far as they are there, and waits until they are gone. */
export async function remove(objects: readonly KubernetesObject[]): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  await kubectl(["delete", "-f", "-", "--ignore-not-found", "--timeout=90s"], { input: JSON.stringify(list) });
}

/** Reads objects as JSON. @param args as for `kubectl get` */
export async function getObjects(...args: readonly string[]): Promise<readonly KubernetesObject[]> {
  const parsed: { readonly kind: string; readonly items?: readonly KubernetesObject[] } & KubernetesObject = JSON.parse(
    await kubectl(["get", ...args, "-o", "json"]),
  );
  return parsed.kind === "List" ? (parsed.items ?? []) : [parsed];
}

/** Waits until a Deployment's newest pods are available and its old ones have ended. */
export async function awaitRollout(namespace: string, deployment: string): Promise<void> {
  await kubectl(["rollout", "status", `deployment/${deployment}`, "-n", namespace, "--timeout=90s"]);
}

/** The names of a namespace's pods with these labels that are not ending. */
export async function podNames(namespace: string, selector: string): Promise<readonly string[]> {
  const pods = await getObjects("pods", "-n", namespace, "-l", selector);
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
}

/** A namespace for one test file. */
export interface TestNamespace {
  readonly name: string;
  /** Deletes it, and waits until it is gone. */
  remove(): Promise<void>;
}

export async function createNamespace(
  purpose: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<TestNamespace> {
  const name = `entente-test-${purpose}-${randomBytes(3).toString("hex")}`;
  await apply([
    { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { [TEST_LABEL]: testRun(), ...labels } } },
  ]);
  return {
    name,
    remove: async () => void (await kubectl(["delete", "namespace", name, "--ignore-not-found", "--timeout=100s"])),
  };
}

/** Throws if one of the namespaces of an example exists: its manifests would change what is there. */
export async function requireNoNamespace(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { status } = await runKubectl(["get", "namespace", name]);
    if (status === 0)
      throw new Error(`the cluster has a namespace ${name}, which the example's manifests would change`);
  }
}

/** On every namespace that the suite makes; its value is the run's, so that two runs do not disturb each other. */
export const TEST_LABEL = "entente.dev/test";

/** Set by the set-up as soon as it may change the cluster. */
export const RUN_VARIABLE = "ENTENTE_TEST_RUN";

/** This run, as its set-up named it. */
export function testRun(): string {
  return process.env[RUN_VARIABLE] ?? "unnamed";
}

/** The namespace of the installed mesh. */
export const SYSTEM = "istio-system";
/** The namespace label that injects. */
export const INJECTED = { "istio-injection": "enabled" } as const;
