import { join } from "node:path";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { type Child, startChild } from "../processes/child.ts";
import { CLIENT_ID, SERVER_ID } from "./identities.ts";
import type { PathSurroundings, StartedPath } from "./path.ts";
import type { SideJob } from "./side-job.ts";
import { startedPair } from "./started-pair.ts";

export interface PairOptions extends PathSurroundings {
  /** For the names of profiles. */
  readonly name: string;
  /** The bundled program that is one side, in the folder of programs. */
  readonly program: string;
  readonly protocol: SideJob["protocol"];
  readonly hopVersion: SideJob["hopVersion"];
  /** @default none */
  readonly tokenRules?: SideJob["tokenRules"];
  /** @default none */
  readonly policies?: SideJob["policies"];
  /** Environment of both processes. */
  readonly env: readonly { readonly name: string; readonly value?: string | null | undefined }[];
}

/** Starts a path of two Node processes, one a side, as two pods would have them. */
export async function startSidePair(options: PairOptions): Promise<StartedPath> {
  const { backendPort, certificates, protocol, hopVersion } = options;
  const [clientPort, meshPort] = [await findFreePort(), await findFreePort()];
  const common = { originalPort: backendPort, protocol, hopVersion, rootFile: certificates.root };
  const server = await startSide(options, {
    ...common,
    side: "server",
    port: meshPort,
    upstreamPort: backendPort,
    identity: SERVER_ID,
    peerIdentity: CLIENT_ID,
    certificateFile: certificates.server,
    ...(options.tokenRules !== undefined && { tokenRules: options.tokenRules }),
    ...(options.policies !== undefined && { policies: options.policies }),
  });
  const client = await startSide(options, {
    ...common,
    side: "client",
    port: clientPort,
    upstreamPort: options.dialledPort ?? meshPort,
    identity: CLIENT_ID,
    peerIdentity: SERVER_ID,
    certificateFile: certificates.client,
  });
  return startedPair({ client, server, clientPort, meshPort });
}

/** With the warning disabled that the image disables too. */
function startSide(options: PairOptions, job: SideJob): Promise<Child> {
  const { profileFolder, name, env } = options;
  const profile =
    profileFolder === undefined
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${name}-${job.side}-${job.port}.cpuprofile`];
  const program = join(options.programs, options.program);
  const variables = env.map((variable) => `${variable.name}=${variable.value ?? ""}`);
  return startChild({
    command: [
      "env",
      ...variables,
      process.execPath,
      "--disable-warning=DEP0060",
      ...profile,
      program,
      JSON.stringify(job),
    ],
    readiness: "line",
  });
}
