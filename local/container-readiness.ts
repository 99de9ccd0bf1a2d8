import { readFileSync } from "node:fs";
import { request } from "undici";
import type { ContainerManifest } from "./pod-manifest.ts";

/** Asks once whether a container can do its work. */
export async function isContainerReady(
  container: ContainerManifest,
  pod: { readonly ip: string; readonly pid: number },
): Promise<boolean> {
  const check = container.readinessProbe?.httpGet;
  if (check) return await answersWell(`http://${pod.ip}:${resolvePort(container, check.port)}${check.path}`);
  // Kubernetes calls a container without a probe ready at once; here its first request would come before it listens.
  return (container.ports ?? []).every(({ containerPort }) => isListening(pod.pid, containerPort));
}

function resolvePort(container: ContainerManifest, port: number | string): number | string {
  return container.ports?.find(({ name }) => name === port)?.containerPort ?? port;
}

async function answersWell(url: string): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { headersTimeout: 1000, bodyTimeout: 1000, reset: true });
    await body.dump();
    return statusCode >= 200 && statusCode < 400;
  } catch {
    return false;
  }
}

/** The state LISTEN in the kernel's tables of sockets. */
const LISTEN = "0A";

/** Whether something listens on the port in the network namespace of a process. */
function isListening(pid: number, port: number): boolean {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  return ["tcp", "tcp6"].some((table) =>
    readTable(`/proc/${pid}/net/${table}`).some((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return state === LISTEN && local?.endsWith(`:${hexPort}`) === true;
    }),
  );
}

function readTable(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(1);
  } catch {
    return [];
  }
}
