import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import type { Reviewed, ReviewResult } from "../review/review-result.ts";
import type { BodyAccount } from "./body-budget.ts";
import { type BodyLimits, readBody } from "./read-body.ts";
import type { ReviewQueue } from "./review-queue.ts";
import { sendText } from "./send-text.ts";

export interface EndpointDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
  readonly bodies: BodyLimits;
  readonly queue: ReviewQueue;
}

type ReviewingDeps = EndpointDeps & {
  readonly review: (text: string) => ReviewResult;
  /** Whether what is missing may arrive in a moment: then the review is repeated once. @default never */
  readonly isEarly?: (result: ReviewResult) => boolean;
};

/** How long an object that was created just before takes to arrive by the injector's watches, and more. */
const ARRIVAL_MS = 500;

/** Per text in a line; the longest name in Kubernetes has 253 characters. */
const MAX_LOGGED_CHARS = 300;

/**
 * Reads an AdmissionReview, reviews it and sends the response.
 * @returns undefined if the request is not a review
 */
export async function respondToReview(
  request: IncomingMessage,
  response: ServerResponse,
  deps: ReviewingDeps,
): Promise<Reviewed | undefined> {
  const [mediaType = ""] = (request.headers["content-type"] ?? "").split(";", 1);
  if (mediaType.trim().toLowerCase() !== "application/json") {
    return fail(response, 415, `the content type must be application/json, not "${mediaType}"`, deps);
  }
  if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
    return fail(response, 415, "the body must not be compressed", deps);
  }
  const account = deps.bodies.budget.begin(request);
  try {
    const body = await readReview(request, response, { ...deps, account });
    return body && (await reviewInTurn(body, { request, response, deps }));
  } finally {
    account.close();
  }
}

/** A body that waits for its review; it is forgotten when its client is gone. */
interface WaitingBody {
  text: string | undefined;
}

/** @returns undefined if the request is over */
async function readReview(
  request: IncomingMessage,
  response: ServerResponse,
  deps: EndpointDeps & { readonly account: BodyAccount },
): Promise<WaitingBody | undefined> {
  const body = await readBody(request, deps.bodies.maxBytes, deps.account);
  switch (body.kind) {
    case "aborted":
      deps.log.debug({ code: "request_aborted" }, "the client closed the connection before its request was complete");
      return undefined;
    case "too_large":
      return cut(request, response, deps);
    case "not_utf8":
      return fail(response, 400, "the body is not UTF-8", deps);
    case "read":
      return forgetAtClose({ text: body.text }, response);
  }
}

function forgetAtClose(body: WaitingBody, response: ServerResponse): WaitingBody {
  response.once("close", () => {
    body.text = undefined;
  });
  return body;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly deps: ReviewingDeps;
}

async function reviewInTurn(body: WaitingBody, { request, response, deps }: Exchange): Promise<Reviewed | undefined> {
  const client = request.socket.remoteAddress ?? "";
  const takeTurn = () =>
    deps.queue.run(
      client,
      () => (body.text === undefined ? undefined : deps.review(body.text)),
      () => body.text !== undefined,
    );
  let result = await takeTurn();
  if (result !== undefined && deps.isEarly?.(result) === true) {
    await new Promise<void>((resolve) => deps.clock.setTimeout(resolve, ARRIVAL_MS));
    result = await takeTurn();
  }
  if (result === undefined) return undefined;
  if (result.kind === "malformed") return fail(response, 400, result.message, deps);
  logReview(result, deps);
  const text = JSON.stringify(result.review);
  response.setHeader("content-type", "application/json").setHeader("content-length", Buffer.byteLength(text)).end(text);
  return result;
}

function logReview(result: Reviewed, { log, limitLog }: EndpointDeps): void {
  const { outcome, reason, message, subject, review } = result;
  const { isGranted, heldBack } = limitLog(outcome);
  if (!isGranted) return;
  const fields = {
    outcome,
    reason,
    kind: brief(subject.kind),
    namespace: brief(subject.namespace),
    name: brief(subject.name),
    uid: brief(review.response.uid),
    heldBack,
  };
  if (outcome === "refused") log.warn(fields, brief(message));
  else log.info(fields, brief(message));
}

function fail(response: ServerResponse, status: number, message: string, deps: EndpointDeps): undefined {
  logRefusal(status, message, deps);
  // The rest of the body is not worth reading.
  sendText(response.setHeader("connection", "close"), status, message);
}

function logRefusal(status: number, message: string, { log, limitLog }: EndpointDeps): void {
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
function cut(request: IncomingMessage, response: ServerResponse, deps: EndpointDeps): undefined {
  const message = `the body is larger than ${deps.bodies.maxBytes} bytes`;
  logRefusal(413, message, deps);
  response.writeHead(413, { "content-type": "text/plain", "content-length": message.length + 1, connection: "close" });
  response.write(`${message}\n`);
  const timer = deps.clock.setTimeout(() => request.destroy(), LINGER_MS);
  request.once("end", () => response.end());
  request.once("close", () => timer.cancel());
  request.resume();
}
