import { createServer, type Server } from "node:https";
import { errnoOf } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { decideServerConnections, readDescriptorLimit } from "../../net/descriptor-limit.ts";
import { listen } from "../../net/listen.ts";
import { setServerContext } from "../../net/tls/tls-contexts.ts";
import type { InjectionSettings } from "../admission/injection-settings.ts";
import { createHookToken } from "../hook-token.ts";
import { createInjectorMetrics } from "../injector-metrics.ts";
import type { ResourceReviewDeps } from "../review/review-resource.ts";
import type { Reviewed } from "../review/review-result.ts";
import { createBodyBudget } from "./body-budget.ts";
import type { ServingCertificate } from "./serving-certificate.ts";
import { evictIdleConnections } from "./webhook-connections.ts";
import { createWebhookHandler } from "./webhook-handler.ts";

export interface WebhookServerOptions {
  /** @default all addresses of both families */
  readonly host?: string;
  /** 0 picks a free port. @default 15017 */
  readonly port?: number;
  /** The server takes each new pair. The caller stops the renewal. */
  readonly certificate: ServingCertificate;
  /** Read for each request; undefined while they are not known, when pods are refused. */
  readonly settings: () => InjectionSettings | undefined;
  /** Why the process is not ready yet; undefined if it is. @default it is ready */
  readonly findUnreadiness?: () => string | undefined;
  /** @default nothing is suspicious */
  readonly analyze?: ResourceReviewDeps["analyze"];
  /** Called after each response about a pod, for example to record an Event; `client` is the address that sent it. */
  readonly onReviewed?: (review: Reviewed, client: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<WebhookLimits>;
}

/** Limits on what clients can use. */
export interface WebhookLimits {
  /** An object has at most 3 MiB, and an update's review contains it as it was and as it will be. */
  readonly maxBodyBytes: number;
  /** For all bodies that are being read; above it, the oldest request is cut off. */
  readonly maxBodiesBytes: number;
  /**
   * A new connection above it closes the one that has been idle longest. Lower if the process has few file descriptors.
   */
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  readonly headersTimeoutMs: number;
  /** For the whole request including its body. */
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface WebhookServer {
  readonly port: number;
  /**
   * Stops accepting, lets running requests finish, closes idle connections.
   * @param lingerMs how long requests are served before that, with `Connection: close`: API servers call a replica for
   *   a while after it began to end. @default 0
   */
  stop(lingerMs?: number): Promise<void>;
}

const DEFAULT_LIMITS: WebhookLimits = {
  maxBodyBytes: 8 * 1024 * 1024,
  maxBodiesBytes: 48 * 1024 * 1024,
  maxConnections: 512,
  handshakeTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
};

/**
 * Serves the admission webhooks over HTTPS.
 * @throws NetError if it cannot listen
 */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const { certificate, clock, log, settings, findUnreadiness = () => undefined } = options;
  const wanted = { ...DEFAULT_LIMITS, ...options.limits };
  const limits = { ...wanted, maxConnections: decideServerConnections(wanted.maxConnections, readDescriptorLimit()) };
  const state = { isEnding: false };
  const handler = createWebhookHandler({
    settings,
    findUnreadiness: () => (state.isEnding ? "the process is ending" : findUnreadiness()),
    isEnding: () => state.isEnding,
    analyze: options.analyze ?? (() => []),
    onReviewed: options.onReviewed ?? (() => undefined),
    createToken: createHookToken,
    metrics: createInjectorMetrics(clock),
    clock,
    log,
    bodies: { maxBytes: limits.maxBodyBytes, budget: createBodyBudget(limits.maxBodiesBytes) },
  });
  const server = createServer(serverOptions(limits), handler);
  const unsubscribe = followCertificate(server, certificate);
  evictIdleConnections(server, limits.maxConnections);
  server.on("tlsClientError", (error) =>
    log.debug({ code: errnoOf(error) }, `a TLS handshake failed: ${error.message}`),
  );
  const onError = (error: Error): void =>
    log.error({ code: errnoOf(error) }, `accepting a connection failed: ${error.message}`);
  const port = await listen(server, { port: options.port ?? WEBHOOK_PORT, host: options.host, onError }).catch(
    (caught: unknown) => {
      unsubscribe();
      throw caught;
    },
  );
  const stop = async (lingerMs = 0): Promise<void> => {
    state.isEnding = true;
    if (lingerMs > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, lingerMs));
    unsubscribe();
    await close(server, clock);
  };
  log.info({ port }, "the webhooks are listening");
  return { port, stop };
}

/** Begins before the server listens, so that no certificate is missed that comes meanwhile. */
function followCertificate(server: Server, certificate: ServingCertificate): () => void {
  setServerContext(server, certificate.current());
  return certificate.subscribe((pair) => setServerContext(server, pair));
}

/** The same as istiod's. */
const WEBHOOK_PORT = 15017;

function serverOptions(limits: WebhookLimits) {
  return {
    handshakeTimeout: limits.handshakeTimeoutMs,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(500, limits.headersTimeoutMs),
  };
}

/** How long a running request may take after shutdown begins. */
const STOP_TIMEOUT_MS = 5_000;

function close(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS);
    server.close(() => {
      timer.cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}
