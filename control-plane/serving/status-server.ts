import type { Registry } from "prom-client";
import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ProxyStatus } from "../../discovery/streams/stream-status.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { isLocalHost, isLoopback } from "../../net/client-address.ts";
import { type LocalHttpRequest, type LocalHttpResponse, startLocalHttpServer } from "../../net/local-http-server.ts";
import { createMetricsSource } from "../../net/metrics/metrics-page.ts";
import { respondToScrape } from "../../net/metrics/respond-to-scrape.ts";
import { createScrapes } from "../../net/metrics/scrapes.ts";

export interface StatusServerOptions {
  readonly port: number;
  /** Of this program. */
  readonly version: string;
  readonly registry: Registry;
  /** Whether sidecars should come to this control plane, in one line for people and probes. */
  readonly readiness: () => Readiness;
  /** The connected proxies. */
  readonly proxies: () => readonly ProxyStatus[];
  /** `undefined` until the certificate authority is open. */
  readonly authority: () => AuthorityStatus | undefined;
  /** The settings that come into force after a restart. */
  readonly awaitingRestart: () => readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Readiness {
  readonly isReady: boolean;
  readonly text: string;
}

/** The body of `/debug/syncz`, as JSON. */
export interface SyncStatus {
  /** Of the control plane. */
  readonly version: string;
  readonly proxies: readonly ProxyStatus[];
  /** Settings of the mesh that have changed and come into force after a restart, such as `trustDomain`. */
  readonly awaitingRestart: readonly string[];
}

/**
 * `/metrics`, `/ready` and `/live`, which any pod may request, `/debug/syncz`, which lists the connected proxies, and
 * `/debug/ca`, an AuthorityStatus as JSON. These two are served on loopback alone: who may forward a port of this pod
 * (`kubectl port-forward`) may read them. Nothing here can change anything, and no key is here.
 */
export async function startStatusServer(options: StatusServerOptions) {
  const { port, registry, readiness, clock, log } = options;
  const scrapes = createScrapes({ source: createMetricsSource({ registry }), clock });
  return await startLocalHttpServer({
    port,
    log,
    respond: async (request) => {
      switch (request.path) {
        case "/ready":
          return respondToReady(readiness());
        // Not the same question: a restart would not bring the API server back.
        case "/live":
          return { status: 200, body: "live\n" };
        case "/metrics":
          return await respondToScrape(scrapes, request.remoteAddress);
        case "/debug/syncz":
          return respondToOperator(request, () => describeSync(options), readiness);
        case "/debug/ca":
          return respondToOperator(request, options.authority, readiness);
        default:
          return {
            status: 404,
            body: "there is /metrics, /ready, /live and, on loopback, /debug/syncz and /debug/ca\n",
          };
      }
    },
  });
}

function respondToReady({ isReady, text }: Readiness): LocalHttpResponse {
  return { status: isReady ? 200 : 503, body: `${text}\n` };
}

function describeSync({ version, proxies, awaitingRestart }: StatusServerOptions): SyncStatus {
  return { version, proxies: proxies(), awaitingRestart: awaitingRestart() };
}

/** @param describe `undefined`: there is nothing to describe yet. */
function respondToOperator(
  { remoteAddress, headers }: LocalHttpRequest,
  describe: () => SyncStatus | AuthorityStatus | undefined,
  readiness: () => Readiness,
): LocalHttpResponse {
  if (!isLoopback(remoteAddress) || !isLocalHost(headers["host"])) {
    return { status: 403, body: "only a client on loopback may request this: use kubectl port-forward\n" };
  }
  const body = describe();
  if (body === undefined) return { status: 503, body: `not ready: ${readiness().text}\n` };
  return { status: 200, contentType: "application/json", body: `${JSON.stringify(body)}\n` };
}
