/** For tests: a path of requests from a client's sidecar to the sidecars of servers, on loopback without iptables. */
import type { SpiffeId } from "../mesh/identity/spiffe-id.ts";
import { type Clock, systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { findFreePort } from "../net/free-port-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { startOutboundSide } from "./outbound-side-fixture.ts";
import { startHoldingApplication } from "./revoked-peers-fixture.ts";
import type { SecureContextSource } from "./tls/secure-context-source.ts";

export interface PathSidecar {
  readonly source: SecureContextSource;
  /** @default the system's */
  readonly clock?: Clock;
}

export interface PathServers {
  readonly ports: readonly number[];
  readonly identities: readonly SpiffeId[];
  /** So often the client's sidecar closes its idle connections: the next requests need a handshake. @default 120 */
  readonly closeIdleMs?: number;
}

export interface ServingSidecar {
  readonly port: number;
  /** As SIGKILL: its connections and its listener end in this moment. */
  kill(): Promise<void>;
}

const CLOSE_IDLE_MS = 120;

/** A sidecar under STRICT in front of an HTTP application. @param presentPort of one that was killed. @default a free one */
export async function startServingSidecar(
  cleanup: Cleanup,
  { source, clock = systemClock }: PathSidecar,
  presentPort?: number,
): Promise<ServingSidecar> {
  const own = new Cleanup();
  // A client's connection must not take it while the sidecar is away.
  const port = presentPort ?? (await findFreePort());
  cleanup.add(() => own.run());
  const application = await startHoldingApplication(cleanup, "http");
  const side = await startInboundSide(own, {
    ...{ mode: "STRICT", applicationPort: application.port, protocol: "http", secureContexts: source },
    ...{ clock, port },
  });
  return { port: side.port, kill: () => own.run() };
}

/** The client's side; returns the port to which an application's requests are redirected. */
export async function startClientSidecar(
  cleanup: Cleanup,
  { source, clock = systemClock }: PathSidecar,
  { closeIdleMs = CLOSE_IDLE_MS, ...servers }: PathServers,
): Promise<number> {
  const destination = meshDestination(servers.ports, {
    identities: servers.identities,
    overrides: { protocol: "http" },
  });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts: source, clock });
  const timer = setInterval(() => outbound.closeIdle(), closeIdleMs);
  cleanup.add(() => clearInterval(timer));
  return outbound.port;
}
