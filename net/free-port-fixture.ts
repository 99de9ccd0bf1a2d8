/** For tests and benches: ports for programs that must be given a number, and ports on which nothing listens. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type ListenOptions } from "node:net";

/** Below Linux's default range of ephemeral ports and Kubernetes' node ports, above the ports of the mesh's programs. */
const FIRST_PORT = 20_000;
const LAST_PORT = 29_999;
const MAX_ATTEMPTS = 1000;

/**
 * A port on which nothing listens, and that nothing else takes until this process ends: no outgoing connection, since
 * it is not ephemeral, and no other caller of this function in this network namespace. A port from `listen(0)` that is
 * closed again has neither property. A connection to it is refused; it may be listened on, and again after a stop.
 */
export async function findFreePort(): Promise<number> {
  const last = lastSafePort();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const port = randomInt(FIRST_PORT, last + 1);
    if (await reservePort(port)) return port;
  }
  throw new Error(`found no free port from ${FIRST_PORT} to ${last} in ${MAX_ATTEMPTS} attempts`);
}

/**
 * Reserves a port until this process ends; `false` if it is reserved or in use, on any address. The reservation is an
 * abstract Unix socket, which like a port belongs to a network namespace, and which the kernel closes with the process.
 */
export async function reservePort(port: number): Promise<boolean> {
  const reservation = createServer().unref();
  if (!(await canListen(reservation, { path: `\0entente-test-port-${port}` }))) return false;
  const probe = createServer();
  // Without a host: on all addresses, IPv4 and IPv6.
  if (!(await canListen(probe, { port }))) return false;
  probe.close();
  await once(probe, "close");
  return true;
}

async function canListen(server: ReturnType<typeof createServer>, options: ListenOptions): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(options, () => resolve(true));
  });
}

/** Where the system gives nearly all of these ports to outgoing connections, none is safe from them. */
function lastSafePort(): number {
  const [firstEphemeral = 0] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/).map(Number);
  const last = Math.min(LAST_PORT, firstEphemeral - 1);
  return last - FIRST_PORT < MAX_ATTEMPTS ? LAST_PORT : last;
}
