import type { Logger } from "../../mesh/runtime.ts";
import { isLoopback } from "../../net/client-address.ts";
import {
  type LocalHttpRequest,
  type LocalHttpResponse,
  type LocalHttpServer,
  startLocalHttpServer,
} from "../../net/local-http-server.ts";
import { respondToScrape } from "../../net/metrics/respond-to-scrape.ts";
import type { Scrapes } from "../../net/metrics/scrapes.ts";
import type { AppProbes } from "./app-probes.ts";

/** Whether the proxy is ready, and if not, why. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface StatusServerOptions {
  /** @default 15020 */
  readonly port?: number;
  /** @default every address of the pod */
  readonly host?: string;
  readonly readiness: () => Readiness;
  readonly metrics: Scrapes;
  /** The application's own probes, which the injector redirected here. */
  readonly probes: AppProbes;
  /** `POST /quitquitquit`: the application is done (a Job), so the proxy may exit. */
  readonly onQuit: () => void;
  /** `POST /drain`: the pod is ending, and SIGTERM will follow. */
  readonly onDrain: () => void;
  readonly log: Logger;
}

/** Istio's agent port: readiness, metrics, the application's probes, and the two commands that a container may send. */
export function startStatusServer(options: StatusServerOptions): Promise<LocalHttpServer> {
  const { port = 15020, host, log } = options;
  return startLocalHttpServer({
    port,
    log,
    respond: (request) => respondToStatus(request, options),
    ...(host === undefined ? {} : { host }),
  });
}

export interface PageServerOptions {
  readonly port: number;
  /** @default every address of the pod */
  readonly host?: string;
  readonly log: Logger;
}

/** Port 15021: `/healthz/ready` for kubelet and load balancers, and nothing else. */
export function startReadinessServer(
  options: PageServerOptions & { readonly readiness: () => Readiness },
): Promise<LocalHttpServer> {
  const respond = (request: LocalHttpRequest): LocalHttpResponse =>
    request.path === "/healthz/ready" ? whenRead(request, () => readinessResponse(options.readiness())) : NOT_FOUND;
  return startLocalHttpServer({ ...options, respond });
}

/** Port 15090: `/stats/prometheus`, and nothing else. */
export function startMetricsServer(
  options: PageServerOptions & { readonly metrics: Scrapes },
): Promise<LocalHttpServer> {
  const respond = async (request: LocalHttpRequest): Promise<LocalHttpResponse> =>
    request.path === "/stats/prometheus"
      ? await whenReadAsync(request, () => respondToScrape(options.metrics, request.remoteAddress))
      : NOT_FOUND;
  return startLocalHttpServer({ ...options, respond });
}

const NOT_FOUND: LocalHttpResponse = { status: 404, body: "not found\n" };
const READ_ONLY: LocalHttpResponse = { status: 405, body: "use GET\n" };

async function respondToStatus(request: LocalHttpRequest, options: StatusServerOptions): Promise<LocalHttpResponse> {
  switch (request.path) {
    case "/healthz/ready":
      return whenRead(request, () => readinessResponse(options.readiness()));
    case "/stats/prometheus":
    case "/metrics":
      return await whenReadAsync(request, () => respondToScrape(options.metrics, request.remoteAddress));
    case "/quitquitquit":
      return runCommand(request, options.onQuit);
    case "/drain":
      return runCommand(request, options.onDrain);
    default:
      return await whenReadAsync(request, async () => (await options.probes.run(request.path)) ?? NOT_FOUND);
  }
}

function readinessResponse(readiness: Readiness): LocalHttpResponse {
  return readiness.ready ? { status: 200, body: "ready\n" } : { status: 503, body: `${readiness.reason}\n` };
}

/**
 * Runs a command from inside the pod. A browser, which sends Origin, must not send commands through a forwarded port.
 */
function runCommand(request: LocalHttpRequest, action: () => void): LocalHttpResponse {
  if (request.method !== "POST") return { status: 405, body: "use POST\n" };
  const { remoteAddress, headers } = request;
  if (!isLoopback(remoteAddress) || headers["origin"] !== undefined) {
    return { status: 403, body: "only a container of this pod may request this, through 127.0.0.1\n" };
  }
  action();
  return { status: 200, body: "ok\n" };
}

function whenRead(request: LocalHttpRequest, answer: () => LocalHttpResponse): LocalHttpResponse {
  return isRead(request) ? answer() : READ_ONLY;
}

async function whenReadAsync(
  request: LocalHttpRequest,
  answer: () => Promise<LocalHttpResponse>,
): Promise<LocalHttpResponse> {
  return isRead(request) ? await answer() : READ_ONLY;
}

function isRead({ method }: LocalHttpRequest): boolean {
  return method === "GET" || method === "HEAD";
}
