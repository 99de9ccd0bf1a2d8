import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { ENVOY_FOLDER } from "../find-program.ts";
import { type Child, startChild } from "../processes/child.ts";
import { type EnvoySide, formatEnvoyConfig } from "./envoy-config.ts";
import type { PathSurroundings, StartedPath } from "./path.ts";
import { startedPair } from "./started-pair.ts";

/** Two processes of Envoy with one worker each, as two pods of Istio would have them. */
export function startEnvoy(hop: EnvoySide["hop"]) {
  return async (surroundings: PathSurroundings): Promise<StartedPath> => {
    const { backendPort, dialledPort, certificates, application, folder } = surroundings;
    const [clientPort, meshPort] = [await findFreePort(), await findFreePort()];
    const common = { hop, application, certificates };
    const server = await startEnvoySide(folder, {
      ...common,
      side: "server",
      port: meshPort,
      upstreamPort: backendPort,
    });
    const upstreamPort = dialledPort ?? meshPort;
    const client = await startEnvoySide(folder, { ...common, side: "client", port: clientPort, upstreamPort });
    return startedPair({ client, server, clientPort, meshPort });
  };
}

/** One worker, as Istio's sidecars have by default; none of the sockets through which an old process hands over. */
export function startEnvoySide(folder: string, side: EnvoySide): Promise<Child> {
  const file = join(folder, `envoy-${side.side}.json`);
  writeFileSync(file, formatEnvoyConfig(side));
  const flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  return startChild({ command: [`${ENVOY_FOLDER}/bin/envoy`, "-c", file, ...flags], readiness: { port: side.port } });
}
