import { CLIENT_PREFACE } from "../../http2/frames/frame-types.ts";
import { FirstLine, type LineVerdict } from "./first-line.ts";
import { IdentityFieldWatch, type ProxyFields } from "./identity-field-watch.ts";

/** The verdict on a client's bytes so far, on a port without a declared protocol. */
export type Recognized =
  /** The beginning of a well-formed request line: it is held back until it is complete. */
  | "undecided"
  /** A request of HTTP/1.x, well formed or not: the framer judges it. */
  | "http"
  /** HTTP/2 with prior knowledge: its complete preface. */
  | "http2"
  /** No server would read a request in it, whatever follows. */
  | "stream"
  /** Forwarded as a stream while each further byte is judged: a lenient server may read a request in what follows. */
  | "watched"
  /** Only some servers would read a request, or an identity field arrived: it must not be delivered. */
  | "ambiguous";

const VERDICTS: Readonly<Record<LineVerdict, Recognized>> = {
  plain: "undecided",
  text: "watched",
  opaque: "watched",
  http: "http",
  stream: "stream",
  ambiguous: "ambiguous",
};

/** A handshake record of any version (RFC 8446 §5.1). */
const TLS_START = Buffer.from([0x16, 0x03]);
const LINE_FEED = Buffer.from("\n");

/** Judges what a client has sent, from its first byte. */
export function recognizeHttp(bytes: Buffer): Recognized {
  return new HttpRecognizer().push(bytes);
}

/**
 * Judges a client's bytes as they arrive, each once, with the same result however they are split. HTTP is a first line
 * whose last word names an HTTP version, however a server splits it, or a known method and a path (HTTP/0.9). HTTP/2 is
 * its complete preface (RFC 9113 §3.4): after a part of it a lenient application reads HTTP/1.1. `http`, `http2`,
 * `stream` and `ambiguous` are final.
 */
export class HttpRecognizer {
  readonly #line = new FirstLine();
  readonly #identity: IdentityFieldWatch;
  /** Bytes that may still be the beginning of HTTP/2; `undefined` otherwise. */
  #preface: Buffer | undefined = Buffer.alloc(0);
  #verdict: Recognized = "undecided";

  /** @param fields that only this proxy may set, besides the identity's. */
  constructor(fields?: ProxyFields) {
    this.#identity = new IdentityFieldWatch(fields);
  }

  /** Whether the line so far is the beginning of a request with a known method, or of HTTP/2. */
  get mayBeKnownMethod(): boolean {
    return this.#preface === undefined ? this.#line.mayBeKnownMethod : this.#preface.length > 0;
  }

  /** Whether a server that read this as the complete first line would see a request. */
  get wouldBeRequest(): boolean {
    if (this.#verdict !== "undecided") return false;
    if (this.#preface === undefined) return this.#line.wouldBeRequest;
    const line = new FirstLine();
    return line.push(this.#preface) === "http" || line.wouldBeRequest;
  }

  push(chunk: Buffer): Recognized {
    if (!isFinal(this.#verdict)) this.#verdict = this.#preface === undefined ? this.#judge(chunk) : this.#start(chunk);
    return this.#verdict;
  }

  /** The client has half-closed: a server reads that as the end of the line, and the framer has nothing to frame. */
  end(): Recognized {
    if (this.wouldBeRequest) return "ambiguous";
    const verdict = this.push(LINE_FEED);
    if (verdict === "undecided") return "watched";
    return verdict === "http" ? "ambiguous" : verdict;
  }

  #start(chunk: Buffer): Recognized {
    const bytes = Buffer.concat([this.#preface ?? chunk, chunk]);
    const isHttp2 = beginsWith(bytes, CLIENT_PREFACE);
    if (isHttp2 === true) return "http2";
    this.#preface = isHttp2 === undefined ? bytes : undefined;
    return isHttp2 === undefined ? "undecided" : this.#judge(bytes);
  }

  #judge(chunk: Buffer): Recognized {
    const verdict = VERDICTS[this.#line.push(chunk)];
    // In the order of the bytes, or it would depend on how they are split. Fields follow the end of an opaque line,
    // which decides.
    return this.#identity.push(chunk.subarray(0, this.#line.bytesBefore)) ? "ambiguous" : verdict;
  }
}

function isFinal(verdict: Recognized): boolean {
  return verdict !== "undecided" && verdict !== "watched";
}

/** What a client of an HTTP port speaks; `http1` is also everything that no parser accepts. */
export type SpokenOnHttpPort = "tls" | "http1" | "http2" | "undecided";

/** On an HTTP port: what a client speaks, by its first bytes. HTTP/2 begins with its preface (RFC 9113 §3.4). */
export function recognizeOnHttpPort(bytes: Buffer): SpokenOnHttpPort {
  const isTls = beginsWith(bytes, TLS_START);
  if (isTls !== false) return isTls === true ? "tls" : "undecided";
  const isHttp2 = beginsWith(bytes, CLIENT_PREFACE);
  if (isHttp2 === undefined) return "undecided";
  return isHttp2 ? "http2" : "http1";
}

/** `undefined`: so far. */
function beginsWith(bytes: Buffer, start: Buffer): boolean | undefined {
  const length = Math.min(bytes.length, start.length);
  if (bytes.compare(start, 0, length, 0, length) !== 0) return false;
  return length === start.length ? true : undefined;
}
