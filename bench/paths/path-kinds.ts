import { NODE_MEMORY_ENV } from "../../injector/admission/proxy-container/node-memory-env.ts";
import type { UpstreamHttpVersion } from "../../mesh/policy/types.ts";
import { startEnvoy } from "./envoy-path.ts";
import type { PathKind, PathSurroundings, StartedPath } from "./path.ts";
import { startHaproxy, startNginx } from "./peer-paths.ts";
import { startSidePair } from "./side-pair.ts";

/** The hop speaks what the application speaks. */
const EITHER = { "http/1.1": "http/1.1", h2: "h2" } as const;
const HTTP1 = { "http/1.1": "http/1.1" } as const;
const HTTP2_HOP = { "http/1.1": "h2", h2: "h2" } as const;
const OURS = { hops: EITHER, program: undefined } as const;

/** The paths, in the order of the report. */
export const PATH_KINDS: readonly PathKind[] = [
  { name: "none", title: "no sidecar", ...OURS, start: startNothing },
  { name: "entente-stream", title: "Entente, stream", ...OURS, start: startEntente("tcp") },
  { name: "entente-http", title: "Entente, HTTP", ...OURS, start: startEntente("adaptive") },
  {
    name: "entente-http1",
    title: "Entente, HTTP/1.1 hop",
    hops: HTTP1,
    program: undefined,
    start: startEntente("1.1"),
  },
  {
    name: "entente-http2",
    title: "Entente, HTTP/2 hop",
    hops: HTTP2_HOP,
    program: undefined,
    start: startEntente("2"),
  },
  { name: "http-proxy", title: "http-proxy", hops: HTTP1, program: undefined, start: startHttpProxy },
  { name: "envoy-stream", title: "Envoy, stream", hops: EITHER, program: "envoy", start: startEnvoy("stream") },
  { name: "envoy-http1", title: "Envoy, HTTP/1.1 hop", hops: HTTP1, program: "envoy", start: startEnvoy("http/1.1") },
  { name: "envoy-http2", title: "Envoy, HTTP/2 hop", hops: HTTP2_HOP, program: "envoy", start: startEnvoy("h2") },
  { name: "haproxy", title: "HAProxy", hops: HTTP1, program: "haproxy", start: startHaproxy("http/1.1") },
  {
    name: "haproxy-http2",
    title: "HAProxy, HTTP/2 hop",
    hops: HTTP2_HOP,
    program: "haproxy",
    start: startHaproxy("h2"),
  },
  { name: "nginx", title: "nginx", hops: EITHER, program: "nginx", start: startNginx },
];

async function startNothing({ backendPort }: PathSurroundings): Promise<StartedPath> {
  return { port: backendPort, meshPort: undefined, proxies: [], stop: () => Promise.resolve() };
}

/** `tcp`: as a stream; else as HTTP, with this version on the hop. */
function startEntente(hop: "tcp" | UpstreamHttpVersion) {
  return (surroundings: PathSurroundings): Promise<StartedPath> =>
    startSidePair({
      ...surroundings,
      name: `entente-${hop}`,
      program: "entente-side.mjs",
      protocol: hop === "tcp" ? "tcp" : HTTP_PROTOCOLS[surroundings.application],
      hopVersion: hop === "tcp" ? "client" : hop,
      env: NODE_MEMORY_ENV,
    });
}

/** How a port is declared on which clients speak this. */
const HTTP_PROTOCOLS = { "http/1.1": "http", h2: "http2" } as const;

function startHttpProxy(surroundings: PathSurroundings): Promise<StartedPath> {
  return startSidePair({
    ...surroundings,
    name: "http-proxy",
    program: "http-proxy-side.mjs",
    protocol: "http",
    hopVersion: "1.1",
    env: [],
  });
}
