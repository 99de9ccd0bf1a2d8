import { Code, ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { peerIdentityKey } from "../../mesh/api/peer-context.ts";
import type { Logger, LogLimiter } from "../../mesh/runtime.ts";

export interface UnreadableRequestsDeps {
  readonly log: Logger;
  /** Consulted before a log line that a caller causes. */
  readonly limitLog: LogLimiter;
}

/** Whether a call's caller has disconnected. */
export const hasLeftKey = createContextKey<() => boolean>(() => false, { description: "whether the caller has left" });
/** Whether a call has got as far as its handler. */
const isBegunKey = createContextKey(false, { description: "whether the handler was called" });

type Call = Parameters<ReturnType<Interceptor>>[0];

/** What Connect and Protobuf say about a request is for the log: their text is no promise of ours. */
const MESSAGE = "the request cannot be read";
const MAX_SHOWN = 300;
/** In Connect's words: the request has ended in the middle of a message, as when its caller gives the call up. */
const CUT_OFF = "protocol error: incomplete envelope";

/**
 * Hides from callers why a request of theirs cannot be read, as when it is no Protobuf or too large, and logs it. This part sees
 * a stream's requests, which the handler reads.
 */
export function hideUnreadable(deps: UnreadableRequestsDeps): Interceptor {
  return (next) => async (call) => {
    call.contextValues.set(isBegunKey, true);
    return await next(call.stream ? { ...call, message: hiding(call.message, call, deps) } : call);
  };
}

async function* hiding<Message>(
  messages: AsyncIterable<Message>,
  call: Call,
  deps: UnreadableRequestsDeps,
): AsyncGenerator<Message, void> {
  try {
    yield* messages;
  } catch (caught) {
    if (!(caught instanceof ConnectError) || call.contextValues.get(hasLeftKey)()) throw caught;
    logUnreadable(call, caught.rawMessage, deps);
    throw new ConnectError(MESSAGE, codeFor(caught.code));
  }
}

/** The same for a call with one request, which Connect reads before the handler is called. */
export function hideUnread(
  response: UniversalServerResponse,
  call: Pick<Call, "contextValues" | "url">,
  deps: UnreadableRequestsDeps,
): UniversalServerResponse {
  const { trailer } = response;
  const status = Number(trailer?.get("grpc-status") ?? 0);
  if (trailer === undefined || status === 0 || call.contextValues.get(isBegunKey)) return response;
  if (!call.contextValues.get(hasLeftKey)()) {
    logUnreadable(call, decodeURIComponent(trailer.get("grpc-message") ?? ""), deps);
  }
  const hidden = new Headers(trailer);
  hidden.set("grpc-status", String(codeFor(status)));
  hidden.set("grpc-message", MESSAGE);
  return { ...response, trailer: hidden };
}

/** A message that cannot be decoded is the caller's fault, which Connect calls ours. */
function codeFor(code: Code): Code {
  return code === Code.Internal ? Code.InvalidArgument : code;
}

function logUnreadable(
  { contextValues, url }: Pick<Call, "contextValues" | "url">,
  reason: string,
  { log, limitLog }: UnreadableRequestsDeps,
): void {
  const isCutOff = reason === CUT_OFF;
  const code = isCutOff ? "cut_off_request" : "unreadable_request";
  const { isGranted, heldBack } = limitLog(code);
  if (!isGranted) return;
  const peer = contextValues.get(peerIdentityKey);
  const caller = { ...(peer.kind === "verified" && { peer: peer.identity }), address: peer.address };
  // A caller has chosen parts of both.
  const [shownUrl, shownReason] = [url, reason].map((text) => text.slice(0, MAX_SHOWN));
  const fields = { component: "control-plane", code, ...caller, url: shownUrl, reason: shownReason, heldBack };
  log[isCutOff ? "debug" : "warn"](fields, "refused a request that cannot be read");
}
