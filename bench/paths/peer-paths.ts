import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { startChild } from "../processes/child.ts";
import { formatHaproxyConfig, type PeerPorts } from "./haproxy-config.ts";
import { formatNginxConfig } from "./nginx-config.ts";
import type { ApplicationProtocol, PathSurroundings, StartedPath } from "./path.ts";

/** HAProxy, one thread, both hops in one process. */
export function startHaproxy(hop: ApplicationProtocol) {
  return async (surroundings: PathSurroundings): Promise<StartedPath> => {
    const { folder, certificates, application } = surroundings;
    const ports = await choosePorts(surroundings);
    const file = join(folder, "haproxy.cfg");
    writeFileSync(file, formatHaproxyConfig({ ports, certificates, hop, application }));
    return await startPeer(["haproxy", "-db", "-f", file], ports);
  };
}

/** nginx, one worker, both hops in one process. */
export async function startNginx(surroundings: PathSurroundings): Promise<StartedPath> {
  const { folder, certificates, application } = surroundings;
  const ports = await choosePorts(surroundings);
  const file = join(folder, "nginx.conf");
  writeFileSync(file, formatNginxConfig(folder, { ports, certificates, application }));
  return await startPeer(["nginx", "-p", folder, "-c", file, "-e", "stderr", "-g", "daemon off;"], ports);
}

async function choosePorts({ backendPort, dialledPort }: PathSurroundings): Promise<PeerPorts> {
  const mesh = await findFreePort();
  return { client: await findFreePort(), mesh, dialled: dialledPort ?? mesh, backend: backendPort };
}

async function startPeer(command: readonly [string, ...string[]], ports: PeerPorts): Promise<StartedPath> {
  const child = await startChild({ command, readiness: { port: ports.client } });
  return {
    port: ports.client,
    meshPort: ports.mesh,
    proxies: [{ name: "both sides", pid: child.pid }],
    stop: child.stop,
  };
}
