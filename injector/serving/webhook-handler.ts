import type { IncomingMessage, ServerResponse } from "node:http";
import { MeshError } from "../../mesh/mesh-error.ts";
import { FINDING_CODES } from "../../mesh/resources/finding-codes.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { sendResponse } from "../../net/local-http-server.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import { respondToScrape } from "../../net/metrics/respond-to-scrape.ts";
import { reviewAdmission } from "../admission/admission-review.ts";
import type { InjectionSettings } from "../admission/injection-settings.ts";
import type { InjectorMetrics } from "../injector-metrics.ts";
import { type ResourceReviewDeps, reviewResource } from "../review/review-resource.ts";
import type { Reviewed, ReviewResult } from "../review/review-result.ts";
import { type EndpointDeps, respondToReview } from "./admission-endpoint.ts";
import type { BodyLimits } from "./read-body.ts";
import { createReviewQueue } from "./review-queue.ts";
import { sendText } from "./send-text.ts";

export interface WebhookHandlerDeps extends ResourceReviewDeps {
  /** Undefined while they are not known. */
  readonly settings: () => InjectionSettings | undefined;
  /** Why the process is not ready; undefined if it is. */
  readonly findUnreadiness: () => string | undefined;
  /** Whether clients should not use their connection again. */
  readonly isEnding: () => boolean;
  /** Called behind the response to a pod's review, with the address that sent it. */
  readonly onReviewed: (review: Reviewed, client: string) => void;
  readonly createToken: () => string;
  readonly metrics: InjectorMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly bodies: BodyLimits;
}

type HandlerContext = WebhookHandlerDeps & EndpointDeps;

/** Per kind of line: any pod of the cluster can send requests. */
const LOG_LINES_PER_SECOND = 50;

/**
 * Handles the webhooks' requests: `POST /inject` (Istio appends parameters to the path) and `POST /validate`, health and
 * metrics.
 */
export function createWebhookHandler(
  deps: WebhookHandlerDeps,
): (request: IncomingMessage, response: ServerResponse) => void {
  const context = { ...deps, queue: createReviewQueue(), limitLog: createLogLimiter(deps.clock, LOG_LINES_PER_SECOND) };
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
  const endpoint = findEndpoint(path);
  if (endpoint === undefined) return await showState(path, request, { response, deps });
  if (request.method === "POST") await endpoint(request, response, deps);
  else sendText(response.setHeader("allow", "POST"), 405, "use POST");
}

function findEndpoint(path: string) {
  if (isUnder(path, "/inject")) return inject;
  return isUnder(path, "/validate") ? validate : undefined;
}

interface Reply {
  readonly response: ServerResponse;
  readonly deps: HandlerContext;
}

/** Health and metrics. */
async function showState(path: string, request: IncomingMessage, { response, deps }: Reply): Promise<void> {
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

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

async function inject(request: IncomingMessage, response: ServerResponse, deps: HandlerContext): Promise<void> {
  const measure = deps.metrics.start();
  // Behind the response the connection may be closed, and its address unknown.
  const client = request.socket.remoteAddress ?? "";
  let outcome: "injected" | "skipped" | "failed" = "failed";
  try {
    const { createToken } = deps;
    const settings = deps.settings();
    if (settings === undefined) return sendText(response, 503, "the injector is starting");
    const review = (text: string) => reviewAdmission(text, { settings, createToken });
    const result = await respondToReview(request, response, { ...deps, review });
    if (result?.outcome === "injected" || result?.outcome === "skipped") outcome = result.outcome;
    if (result !== undefined) deps.onReviewed(result, client);
  } finally {
    measure.finish(outcome);
  }
}

/** kubectl creates a folder's resources one after the other, each milliseconds after those that it names. */
function lacksReference(result: ReviewResult): boolean {
  if (result.kind !== "reviewed") return false;
  const { warnings = [] } = result.review.response;
  return warnings.some((warning) => warning.startsWith(FINDING_CODES.ReferencedResourceNotFound));
}

async function validate(request: IncomingMessage, response: ServerResponse, deps: HandlerContext): Promise<void> {
  const review = (text: string) => reviewResource(text, deps);
  const result = await respondToReview(request, response, { ...deps, review, isEarly: lacksReference });
  deps.metrics.validated(result !== undefined && result.outcome !== "refused" ? "passed" : "failed");
}
