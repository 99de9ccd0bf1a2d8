import type { IncomingMessage, ServerResponse } from "node:http";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Clock, Logger, LogLimiter } from "../mesh/runtime.ts";
import { sendResponse } from "../net/local-http-server.ts";
import { createLogLimiter } from "../net/log-limiter.ts";
import { respondToScrape } from "../net/metrics/respond-to-scrape.ts";
import { type ReviewResult, reviewAdmission } from "./admission/admission-review.ts";
import type { InjectionSettings } from "./admission/injection-settings.ts";
import type { InjectorMetrics } from "./injector-metrics.ts";
import { type BodyLimits, readBody } from "./read-body.ts";

export interface WebhookHandlerDeps {
  readonly settings: () => InjectionSettings;
  /** Why the process is not ready; undefined if it is. */
  readonly findUnreadiness: () => string | undefined;
  /** Whether clients should not use their connection again. */
  readonly isEnding: () => boolean;
  readonly onReviewed: (review: Reviewed) => void;
  readonly createToken: () => string;
  readonly metrics: InjectorMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly bodies: BodyLimits;
}

interface HandlerContext extends WebhookHandlerDeps {
  readonly limitLog: LogLimiter;
}

/** Per kind of line: any pod of the cluster can send requests. */
const LOG_LINES_PER_SECOND = 50;
/** Per text in a line; the longest name in Kubernetes has 253 characters. */
const MAX_LOGGED_CHARS = 300;

export type Reviewed = Extract<ReviewResult, { kind: "reviewed" }>;

/** Handles the webhook's requests: POST /inject (Istio appends parameters to the path), readiness and metrics. */
export function createWebhookHandler(
  deps: WebhookHandlerDeps,
): (request: IncomingMessage, response: ServerResponse) => void {
  const context = { ...deps, limitLog: createLogLimiter(deps.clock, LOG_LINES_PER_SECOND) };
  return (request, response) => {
    if (deps.isEnding()) response.setHeader("connection", "close");
    route(request, response, context).catch((caught: unknown) => failSafely(caught, response, context));
  };
}

/** Must not throw: its exception would be an unhandled rejection, which ends the process. */
function failSafely(caught: unknown, response: ServerResponse, { log, limitLog }: HandlerContext): void {
  try {
    const { code, stack } = MeshError.from(caught);
    const { isGranted, heldBack } = limitLog("request_failed");
    if (isGranted) log.error({ code, stack, heldBack }, "the request failed");
    if (response.headersSent) response.destroy();
    else sendText(response, 500, "the injector failed; see its log");
  } catch {
    response.destroy();
  }
}

async function route(request: IncomingMessage, response: ServerResponse, deps: HandlerContext): Promise<void> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  if (path === "/inject" || path.startsWith("/inject/")) {
    if (request.method === "POST") await inject(request, response, deps);
    else sendText(response.setHeader("allow", "POST"), 405, "use POST");
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD") return sendText(response, 404, "not found");
  if (path === "/healthz/live") return sendText(response, 200, "live");
  if (path === "/healthz/ready") {
    const reason = deps.findUnreadiness();
    return sendText(response, reason === undefined ? 200 : 503, reason ?? "ready");
  }
  if (path !== "/metrics") return sendText(response, 404, "not found");
  const client = request.socket.remoteAddress ?? "";
  await sendResponse(response, await respondToScrape(deps.metrics.scrapes, client), request.method === "HEAD");
}

async function inject(request: IncomingMessage, response: ServerResponse, deps: HandlerContext): Promise<void> {
  const measure = deps.metrics.start();
  let outcome: "injected" | "skipped" | "failed" = "failed";
  try {
    const result = await reviewRequest(request, response, deps);
    if (result !== undefined && result.outcome !== "refused") outcome = result.outcome;
  } finally {
    measure.finish(outcome);
  }
}

async function reviewRequest(
  request: IncomingMessage,
  response: ServerResponse,
  deps: HandlerContext,
): Promise<Reviewed | undefined> {
  const [mediaType = ""] = (request.headers["content-type"] ?? "").split(";", 1);
  if (mediaType.trim().toLowerCase() !== "application/json") {
    return fail(response, 415, `the content type must be application/json, not "${mediaType}"`, deps);
  }
  if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
    return fail(response, 415, "the body must not be compressed", deps);
  }
  const body = await readBody(request, deps.bodies);
  switch (body.kind) {
    case "aborted":
      deps.log.debug({ code: "request_aborted" }, "the client closed the connection before its request was complete");
      return undefined;
    case "too_large":
      return cut(request, response, deps);
    case "not_utf8":
      return fail(response, 400, "the body is not UTF-8", deps);
    case "read":
      break;
  }
  const result = reviewAdmission(body.text, { settings: deps.settings(), createToken: deps.createToken });
  if (result.kind === "malformed") return fail(response, 400, result.message, deps);
  logReview(result, deps);
  const text = JSON.stringify(result.review);
  response.setHeader("content-type", "application/json").setHeader("content-length", Buffer.byteLength(text)).end(text);
  deps.onReviewed(result);
  return result;
}

function logReview(result: Reviewed, { log, limitLog }: HandlerContext): void {
  const { outcome, reason, message, subject, review } = result;
  const { isGranted, heldBack } = limitLog(outcome);
  if (!isGranted) return;
  const { uid } = review.response;
  const fields = {
    outcome,
    reason,
    namespace: brief(subject.namespace),
    pod: brief(subject.name),
    uid: brief(uid),
    heldBack,
  };
  if (outcome === "refused") log.warn(fields, brief(message));
  else log.info(fields, brief(message));
}

function fail(response: ServerResponse, status: number, message: string, deps: HandlerContext): undefined {
  logRefusal(status, message, deps);
  // The rest of the body is not worth reading.
  sendText(response.setHeader("connection", "close"), status, message);
}

function logRefusal(status: number, message: string, { log, limitLog }: HandlerContext): void {
  const { isGranted, heldBack } = limitLog(`status ${status}`);
  if (isGranted) log.warn({ status, heldBack }, brief(message));
}

/** Clients choose these texts, and they may be as long as a body. */
function brief(text: string): string {
  return text.length > MAX_LOGGED_CHARS ? `${text.slice(0, MAX_LOGGED_CHARS)}…` : text;
}

/**
 * How long a client that received 413 may keep sending before it is cut off. Without this it might never read the
 * response.
 */
const LINGER_MS = 1000;

/** Sends the whole response at once and discards what the client still sends, for a short time. */
function cut(request: IncomingMessage, response: ServerResponse, deps: HandlerContext): undefined {
  const message = `the body is larger than ${deps.bodies.maxBytes} bytes`;
  logRefusal(413, message, deps);
  response.writeHead(413, { "content-type": "text/plain", "content-length": message.length + 1, connection: "close" });
  response.write(`${message}\n`);
  const timer = deps.clock.setTimeout(() => request.destroy(), LINGER_MS);
  request.once("end", () => response.end());
  request.once("close", () => timer.cancel());
  request.resume();
}

function sendText(response: ServerResponse, status: number, message: string): void {
  const text = `${message}\n`;
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
