import type { Logger } from "../../mesh/runtime.ts";
import { type Answer, type Asked, type LocalHttpServer, startLocalHttpServer } from "../../net/local-http-server.ts";
import { answerScrape } from "../../net/metrics/answer-scrape.ts";
import type { Scrapes } from "../../net/metrics/scrapes.ts";
import type { AppProbes } from "./app-probes.ts";

/** Whether the proxy can do its work, and if not, why. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface StatusServerOptions {
  /** @default 15020 */
  readonly port?: number;
  /** @default every address of the pod */
  readonly host?: string;
  readonly readiness: () => Readiness;
  readonly metrics: Scrapes;
  /** The application's own probes, which the injector sent here. */
  readonly probes: AppProbes;
  /** `POST /quitquitquit`: the application's work is done (a Job), the proxy may go. */
  readonly onQuit: () => void;
  /** `POST /drain`: stop taking new inbound connections. */
  readonly onDrain: () => void;
  readonly log: Logger;
}

/** Istio's agent port: readiness, metrics, the application's probes, and the two orders that a container may give. */
export function startStatusServer(options: StatusServerOptions): Promise<LocalHttpServer> {
  const { port = 15020, host, log } = options;
  return startLocalHttpServer({
    port,
    log,
    respond: (asked) => answerStatus(asked, options),
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
  const respond = (asked: Asked): Answer =>
    asked.path === "/healthz/ready" ? whenRead(asked, () => answerReadiness(options.readiness())) : NOT_FOUND;
  return startLocalHttpServer({ ...options, respond });
}

/** Port 15090: `/stats/prometheus`, and nothing else. */
export function startMetricsServer(
  options: PageServerOptions & { readonly metrics: Scrapes },
): Promise<LocalHttpServer> {
  const respond = async (asked: Asked): Promise<Answer> =>
    asked.path === "/stats/prometheus"
      ? await whenReadAsync(asked, () => answerScrape(options.metrics, asked.remoteAddress))
      : NOT_FOUND;
  return startLocalHttpServer({ ...options, respond });
}

const NOT_FOUND: Answer = { status: 404, body: "not found\n" };
const READ_ONLY: Answer = { status: 405, body: "use GET\n" };

async function answerStatus(asked: Asked, options: StatusServerOptions): Promise<Answer> {
  switch (asked.path) {
    case "/healthz/ready":
      return whenRead(asked, () => answerReadiness(options.readiness()));
    case "/stats/prometheus":
    case "/metrics":
      return await whenReadAsync(asked, () => answerScrape(options.metrics, asked.remoteAddress));
    case "/quitquitquit":
      return obey(asked, options.onQuit);
    case "/drain":
      return obey(asked, options.onDrain);
    default:
      return await whenReadAsync(asked, async () => (await options.probes.run(asked.path)) ?? NOT_FOUND);
  }
}

function answerReadiness(readiness: Readiness): Answer {
  return readiness.ready ? { status: 200, body: "ready\n" } : { status: 503, body: `${readiness.reason}\n` };
}

/**
 * Carries out an order from inside the pod. 127.0.0.6 does not count as inside: that is the source address of what the
 * proxy delivers for others. A browser (it sends Origin) does not give orders, whoever forwarded the port to it.
 */
function obey(asked: Asked, action: () => void): Answer {
  if (asked.method !== "POST") return { status: 405, body: "use POST\n" };
  const { remoteAddress, headers } = asked;
  const isInside = remoteAddress === "::1" || (remoteAddress.startsWith("127.") && remoteAddress !== "127.0.0.6");
  if (!isInside || headers["origin"] !== undefined) {
    return { status: 403, body: "only a container of this pod may ask for this, through 127.0.0.1\n" };
  }
  action();
  return { status: 200, body: "ok\n" };
}

function whenRead(asked: Asked, answer: () => Answer): Answer {
  return isRead(asked) ? answer() : READ_ONLY;
}

async function whenReadAsync(asked: Asked, answer: () => Promise<Answer>): Promise<Answer> {
  return isRead(asked) ? await answer() : READ_ONLY;
}

function isRead({ method }: Asked): boolean {
  return method === "GET" || method === "HEAD";
}
