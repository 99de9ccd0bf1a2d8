import type { Socket } from "node:net";
import type { Clock } from "../../../mesh/runtime.ts";
import { awaitFirstSpeaker } from "../../connections/await-first-speaker.ts";
import { peekBytes } from "../../connections/peek-bytes.ts";
import { FRAME, FRAME_HEADER_BYTES } from "../../http2/frames/frame-types.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { ProxyFields } from "./identity-field-watch.ts";
import { HttpRecognizer, type Recognized } from "./recognize-http.ts";

export type DetectedProtocol =
  | { readonly kind: "http"; readonly protocol: HttpProtocol }
  | {
      readonly kind: "stream";
      /** What the client sent before it half-closed; it cannot be put back on its socket. */
      readonly early: Buffer;
      /** `guardStream` must watch it: some server could still read a request in the following bytes. */
      readonly isGuarded: boolean;
    }
  /** Nothing of it may be delivered: the connection must be reset, without a response. */
  | ({ readonly kind: "refused" } & UnjudgedRequest)
  | { readonly kind: "closed" };

/** Why a client's bytes must not be delivered. */
export interface UnjudgedRequest {
  /** Stable: logged and counted. */
  readonly reason: "ambiguous_first_line" | "late_http";
  readonly message: string;
}

/**
 * How long a client may pause inside a possible request line before its bytes are forwarded as a guarded stream. A line
 * with a known method is held as long as the HTTP head timeout: only HTTP begins like that. Any other word may be a
 * greeting that waits for its reply.
 */
const KNOWN_METHOD_QUIET_MS = 30_000;
const WORD_QUIET_MS = 200;

/**
 * Detects the protocol of a connection on an undeclared port. Both sides are open and the side that speaks first
 * decides, so a server that speaks first is not delayed, unless it speaks HTTP/2. The client's bytes are held back while
 * they may be the beginning of a request line. They stay on the sockets.
 * @param fields that only this proxy may set.
 */
export async function detectProtocol(
  client: Socket,
  server: Socket,
  clock: Clock,
  fields?: ProxyFields,
): Promise<DetectedProtocol> {
  const recognizer = new HttpRecognizer(fields);
  let judged = 0;
  const judge = (bytes: Buffer): Recognized | undefined => {
    const verdict = recognizer.push(bytes.subarray(judged));
    judged = bytes.length;
    return verdict === "undecided" ? undefined : verdict;
  };
  const quietMs = (): number => (recognizer.mayBeKnownMethod ? KNOWN_METHOD_QUIET_MS : WORD_QUIET_MS);
  const first = await awaitFirstSpeaker(server, (signal) => peekBytes(client, judge, { clock, quietMs, signal }));
  if (first === "application" && !beginsWithSettings(server)) return resultOf("watched", NO_BYTES);
  const spoken = first === "application" ? await peekBytes(client, judge, { clock, quietMs }) : first;
  switch (spoken.kind) {
    case "judged":
      return resultOf(spoken.verdict, NO_BYTES);
    case "ended":
      return resultOf(recognizer.end(), spoken.bytes);
    case "undecided":
      return resultOf(recognizer.wouldBeRequest ? "ambiguous" : "watched", NO_BYTES);
    case "silent":
      return resultOf("watched", NO_BYTES);
    case "closed":
      return spoken;
  }
}

/**
 * Whether a server has begun with a frame of SETTINGS, as servers of HTTP/2 do without waiting for their clients (RFC
 * 9113 §3.4). Then its client's first bytes decide.
 */
function beginsWithSettings(server: Socket): boolean {
  const begun: unknown = server.read();
  if (!Buffer.isBuffer(begun)) return false;
  server.unshift(begun);
  return begun.length >= FRAME_HEADER_BYTES && begun.readUIntBE(0, 3) <= MAX_SETTINGS_BYTES && isSettings(begun);
}

const MAX_SETTINGS_BYTES = 16_384;

/** Its type, no flags, stream 0. */
function isSettings(frame: Buffer): boolean {
  return frame[3] === FRAME.settings && frame[4] === 0 && frame.readUInt32BE(5) === 0;
}

const NO_BYTES = Buffer.alloc(0);

const AMBIGUOUS: UnjudgedRequest = {
  reason: "ambiguous_first_line",
  message: 'some servers would read a request in what the client sent; name the Service port "http-…" or "tcp-…"',
};
const LATE: UnjudgedRequest = {
  reason: "late_http",
  message: 'a request line came after bytes that had passed as a stream; name the Service port "http-…"',
};

function resultOf(verdict: Recognized, early: Buffer): DetectedProtocol {
  switch (verdict) {
    case "http":
      return { kind: "http", protocol: "http1" };
    case "http2":
      return { kind: "http", protocol: "http2" };
    case "ambiguous":
      return { kind: "refused", ...AMBIGUOUS };
    case "undecided":
    case "stream":
    case "watched":
      return { kind: "stream", early, isGuarded: verdict === "watched" };
  }
}

/**
 * Judges every byte of a stream before it is delivered. `onRequest` is called before any byte is delivered that
 * completes a request for some server, and must reset both sides. So a client gains nothing by sending slowly, or by a
 * syntax that only some servers accept. Call it before the stream is forwarded.
 */
export function guardStream(client: Socket, onRequest: (request: UnjudgedRequest) => void, fields?: ProxyFields): void {
  const recognizer = new HttpRecognizer(fields);
  const onData = (chunk: Buffer): void => {
    const verdict = recognizer.push(chunk);
    if (verdict === "watched" || (verdict === "undecided" && !recognizer.wouldBeRequest)) return;
    client.off("data", onData);
    if (verdict !== "stream") onRequest(verdict === "ambiguous" ? AMBIGUOUS : LATE);
  };
  // A listener that made the socket flow would lose bytes that arrive before the stream is forwarded.
  client.pause();
  client.on("data", onData);
}
