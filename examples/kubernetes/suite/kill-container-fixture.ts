/** For the suite: a container that ends without SIGTERM, as by a crash of its node or for want of memory. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { apply, getObjects, kubectl } from "./kubectl-fixture.ts";

const KILLER = "container-killer";
const STARTED = { timeout: 60_000, interval: 250 };

/** A container that runs, as its pod's status names it. */
export interface RunningContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/**
 * Kills a container by SIGKILL, and waits until the kubelet has seen its end. A process cannot do that to itself or to the
 * first process of its own container: it takes a pod that shares its node's processes, in a namespace that allows it.
 */
export async function killContainer(killed: RunningContainer, killerNamespace: string): Promise<void> {
  const { node, id } = await locate(killed);
  await apply([killerPod(killerNamespace, node, id)]);
  try {
    await expect.poll(() => phaseOf(killerNamespace, KILLER), STARTED).toMatch(/^(Succeeded|Failed)$/);
    const count = Number(await kubectl(["logs", KILLER, "-n", killerNamespace]));
    expect(count).toBeGreaterThan(0);
    await expect.poll(() => lastExit(killed), STARTED).toEqual({ id, exitCode: 137 });
  } finally {
    await kubectl(["delete", "pod", KILLER, "-n", killerNamespace, "--grace-period=1"]);
  }
}

interface ContainerStatus {
  readonly name: string;
  /** `RUNTIME://ID`. */
  readonly containerID?: string;
  readonly lastState?: { readonly terminated?: { readonly containerID?: string; readonly exitCode: number } };
}

interface PodView {
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly phase?: string; readonly containerStatuses?: readonly ContainerStatus[] };
}

async function readPod(namespace: string, name: string): Promise<PodView> {
  const [pod] = await getObjects("pod", name, "-n", namespace);
  return JSON.parse(JSON.stringify(pod));
}

async function phaseOf(namespace: string, name: string): Promise<string> {
  return (await readPod(namespace, name)).status.phase ?? "unknown";
}

async function statusOf({ namespace, pod, container }: RunningContainer) {
  const { spec, status } = await readPod(namespace, pod);
  return { node: spec.nodeName, status: status.containerStatuses?.find(({ name }) => name === container) };
}

async function locate(container: RunningContainer): Promise<{ readonly node: string; readonly id: string }> {
  const { node, status } = await statusOf(container);
  return { node, id: idOf(status?.containerID) };
}

async function lastExit(container: RunningContainer) {
  const { status } = await statusOf(container);
  const ended = status?.lastState?.terminated;
  return ended && { id: idOf(ended.containerID), exitCode: ended.exitCode };
}

function idOf(withRuntime = ""): string {
  return withRuntime.split("://")[1] ?? "";
}

function killerPod(namespace: string, nodeName: string, containerId: string) {
  const source = readFileSync(new URL("in-pod-kill-container.ts", import.meta.url), "utf8");
  const node = ["node", "--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", source];
  const container = {
    name: "killer",
    image: process.env["ENTENTE_IMAGE"],
    command: [...node, containerId],
    securityContext: { runAsUser: 0, runAsGroup: 0, capabilities: { add: ["KILL"] } },
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: KILLER, namespace },
    spec: { nodeName, hostPID: true, restartPolicy: "Never", containers: [container] },
  };
}
