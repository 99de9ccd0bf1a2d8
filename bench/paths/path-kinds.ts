import { NODE_MEMORY_ENV } from "../../injector/admission/proxy-container/node-memory-env.ts";
import type { PathKind, PathSurroundings, StartedPath } from "./path.ts";
import { startHaproxy, startNginx } from "./peer-paths.ts";
import { startSidePair } from "./side-pair.ts";

export interface PathKindsOptions {
  /** Where a program of the system lies; `undefined` where it is not installed. */
  readonly findProgram: (name: string) => string | undefined;
}

/** The paths, in the order of the report. */
export function listPathKinds({ findProgram }: PathKindsOptions): readonly PathKind[] {
  const needs = (program: string) => () =>
    findProgram(program) === undefined ? `${program} is not installed` : undefined;
  const always = (): undefined => undefined;
  return [
    { name: "none", title: "no sidecar", findObstacle: always, start: startNothing },
    { name: "entente-stream", title: "Entente, stream", findObstacle: always, start: startEntente("tcp") },
    { name: "entente-http", title: "Entente, HTTP", findObstacle: always, start: startEntente("http") },
    { name: "http-proxy", title: "http-proxy", findObstacle: always, start: startHttpProxy },
    { name: "haproxy", title: "HAProxy", findObstacle: needs("haproxy"), start: startHaproxy },
    { name: "nginx", title: "nginx", findObstacle: needs("nginx"), start: startNginx },
  ];
}

async function startNothing({ backendPort }: PathSurroundings): Promise<StartedPath> {
  return { port: backendPort, meshPort: undefined, proxies: [], stop: () => Promise.resolve() };
}

function startEntente(protocol: "tcp" | "http") {
  const name = protocol === "tcp" ? "entente-stream" : "entente-http";
  return (surroundings: PathSurroundings): Promise<StartedPath> =>
    startSidePair({ ...surroundings, name, program: "entente-side.mjs", protocol, env: NODE_MEMORY_ENV });
}

function startHttpProxy(surroundings: PathSurroundings): Promise<StartedPath> {
  return startSidePair({
    ...surroundings,
    name: "http-proxy",
    program: "http-proxy-side.mjs",
    protocol: "http",
    env: [],
  });
}
