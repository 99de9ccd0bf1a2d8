/** For tests: the calls that each gRPC client makes, and what must come back of them. */
import { createHash } from "node:crypto";

export interface EchoJob {
  /** `http://host:port`. */
  readonly origin: string;
  /** Metadata of every call. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** How a call ended that must not succeed. */
export interface FailedCall {
  /** gRPC's status code. */
  readonly code: number;
  readonly message: string;
  /** The trailing metadata `x-detail`. */
  readonly detail: string;
}

/** What a client received. */
export interface EchoReport {
  /** The numbers that concurrent unary calls brought back. */
  readonly unary: readonly number[];
  /** SHA-256 of the content of the large message that came back. */
  readonly large: string;
  /** What the response of one call carried in its metadata: text, binary, trailing. */
  readonly metadata: readonly [text: string, binary: string, trailing: string];
  readonly serverStream: readonly [messages: number, sha256: string];
  readonly clientStream: readonly [messages: number, bytes: number, sha256: string];
  /** The number that came back for each message before the next one was sent. */
  readonly bidi: readonly number[];
  readonly failed: FailedCall;
  /** The status of a call that fails before its stream's first message. */
  readonly failedStream: number;
  readonly late: number;
  readonly cancelled: number;
}

/** Metadata that the application sends back: `x-ask` as `x-echo` and `x-echo-trailer`, `x-ask-bin` as `x-echo-bin`. */
export const ASKED = { text: "a text; with=marks", binary: Buffer.from([0, 1, 254, 255]) } as const;
export const UNARY_CALLS = 20;
/** One message, in many DATA frames: larger than all windows and buffers on the path. */
export const LARGE_CONTENT = Buffer.alloc(20_000_000, "0123456789abcdef~");
export const STREAM_CONTENT = Buffer.alloc(100_000, "stream");
export const STREAM_MESSAGES = 50;
export const BIDI_MESSAGES = 10;
/** What the application says of a call that it was asked to fail: a message that needs percent-encoding. */
export const FAILURE = { code: 9, message: "not now 100 % übel", detail: "the detail" } as const satisfies FailedCall;
export const LATE_MS = 300;
/** All calls of a client: the concurrent ones, and one for each other field of the report. */
export const CALLS = UNARY_CALLS + 9;

export function sha256(...contents: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const content of contents) hash.update(content);
  return hash.digest("hex");
}

/** What every client must report. */
export const EXPECTED: EchoReport = {
  unary: Array.from({ length: UNARY_CALLS }, (_, index) => index),
  large: sha256(LARGE_CONTENT),
  metadata: [ASKED.text, ASKED.binary.toString("hex"), ASKED.text],
  serverStream: [STREAM_MESSAGES, sha256(...repeated(STREAM_CONTENT, STREAM_MESSAGES))],
  clientStream: [
    STREAM_MESSAGES,
    STREAM_MESSAGES * STREAM_CONTENT.length,
    sha256(...repeated(STREAM_CONTENT, STREAM_MESSAGES)),
  ],
  bidi: Array.from({ length: BIDI_MESSAGES }, (_, index) => index),
  failed: FAILURE,
  failedStream: 5,
  late: 4,
  cancelled: 1,
};

function repeated(content: Buffer, count: number): readonly Buffer[] {
  return Array.from({ length: count }, () => content);
}
