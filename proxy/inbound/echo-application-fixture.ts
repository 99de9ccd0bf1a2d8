/** For tests of the inbound side: an application that echoes, and a mesh client of it. */
import type { ServerMode } from "../../mesh/policy/types.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { type InboundSide, type InboundSideOptions, startInboundSide } from "../inbound-side-fixture.ts";
import { meshDestination } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";

export interface EchoApplication {
  readonly port: number;
  readonly connections: () => number;
}

/** An application that echoes each line, and counts its connections. */
async function startEcho(cleanup: Cleanup): Promise<EchoApplication> {
  let connections = 0;
  const port = await listen(cleanup, (socket) => {
    connections += 1;
    socket.pipe(socket);
  });
  return { port, connections: () => connections };
}

/** An inbound side in front of an application that echoes. */
export async function startEchoSide(
  cleanup: Cleanup,
  mode: ServerMode,
  options: Partial<InboundSideOptions> = {},
): Promise<{ readonly echo: EchoApplication; readonly side: InboundSide }> {
  const echo = await startEcho(cleanup);
  const side = await startInboundSide(cleanup, { mode, applicationPort: echo.port, ...options });
  return { echo, side };
}

/** What a client with these certificates receives for "ping", through its own sidecar. */
export async function pingThroughSidecar(cleanup: Cleanup, side: InboundSide, secureContexts?: SecureContextSource) {
  const outbound = await startOutboundSide(cleanup, {
    destination: meshDestination([side.port]),
    ...(secureContexts === undefined ? {} : { secureContexts }),
  });
  const client = connectClient(cleanup, outbound.port);
  client.end("ping");
  return await readAll(client);
}
