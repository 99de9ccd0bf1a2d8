import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { Agent, request } from "undici";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { ContainerManifest } from "./pod-manifest.ts";

/** Whether a container is ready, or what is missing. */
export type Readiness = { readonly kind: "ready" } | { readonly kind: "waiting"; readonly reason: string };

const TIMEOUT_MS = 1000;
const READY: Readiness = { kind: "ready" };

/**
 * Probes once, from the node, like kubelet. A container without a probe that can be run from here is ready when it
 * listens on its ports. Kubernetes considers it ready at once, so that its first requests come too early.
 */
export async function probeContainer(
  container: ContainerManifest,
  pod: { readonly ip: string; readonly pid: number },
): Promise<Readiness> {
  const { httpGet, tcpSocket } = container.readinessProbe ?? {};
  if (httpGet) {
    const scheme = (httpGet.scheme ?? "HTTP").toLowerCase();
    const headers = (httpGet.httpHeaders ?? []).flatMap(({ name, value }) => [name, value]);
    const port = resolvePort(container, httpGet.port);
    return await probeHttp(`${scheme}://${httpGet.host ?? pod.ip}:${port}${httpGet.path ?? "/"}`, headers);
  }
  if (tcpSocket) return await probeTcp(tcpSocket.host ?? pod.ip, resolvePort(container, tcpSocket.port));
  const silent = (container.ports ?? []).find(
    ({ protocol, containerPort }) => (protocol ?? "TCP") === "TCP" && !isListening(pod.pid, containerPort),
  );
  return silent === undefined ? READY : waiting(`no process listens on its port ${silent.containerPort}`);
}

function resolvePort(container: ContainerManifest, port: number | string): number {
  if (typeof port === "number") return port;
  return container.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
}

async function probeHttp(url: string, headers: string[]): Promise<Readiness> {
  // Kubelet does not verify certificates either.
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false, timeout: TIMEOUT_MS } });
  try {
    const options = { dispatcher, headers, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
    const { statusCode, body } = await request(url, options);
    await body.dump();
    return statusCode >= 200 && statusCode < 400 ? READY : waiting(`GET ${url} returned ${statusCode}`);
  } catch (caught) {
    return waiting(`GET ${url} failed: ${MeshError.from(caught).message}`);
  } finally {
    await dispatcher.destroy();
  }
}

function probeTcp(host: string, port: number): Promise<Readiness> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const finish = (readiness: Readiness): void => {
      socket.destroy();
      resolve(readiness);
    };
    socket.once("error", (error) => finish(waiting(`${host}:${port} cannot be reached: ${error.message}`)));
    socket.once("timeout", () => finish(waiting(`${host}:${port} does not respond`)));
    socket.once("connect", () => finish(READY));
  });
}

function waiting(reason: string): Readiness {
  return { kind: "waiting", reason };
}

/** The state LISTEN in the kernel's socket tables. */
const LISTEN = "0A";

/** Whether a process listens on the port in the network namespace of a process. */
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
