/** For tests: an HTTP/2 upstream connection without a network, whose server is the test. */
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import type { ConnectionPool } from "../../../mesh/policy/types.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { HTTP1_LIMITS } from "../../http1/http1-limits.ts";
import { type ReadFrame, rawFrame, readFrames, SETTINGS_ACK, settingsFrame } from "../../http2/frames/frame-fixture.ts";
import { CLIENT_PREFACE, FLAG, FRAME } from "../../http2/frames/frame-types.ts";
import { HpackDecoder } from "../../http2/hpack/hpack-decoder.ts";
import { HpackEncoder } from "../../http2/hpack/hpack-encoder.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import { EDITS, requestHead } from "../pool/upstream-pool-fixture.ts";
import { Http2Upstream } from "./http2-upstream.ts";
import type { ResponseSink, UpstreamStream } from "./upstream-stream.ts";

export type FieldPairs = readonly (readonly [string, string])[];

/** One request, and what has come back for it: `200`, `abc` (content), `end x=1`, `lost refused`, `drain`. */
export interface OpenRequest {
  readonly stream: UpstreamStream;
  readonly events: string[];
  readonly heads: ResponseHead[];
  /** How many packets have begun and not ended. */
  openPackets: number;
}

export interface RequestOptions {
  readonly head?: RequestHead;
  readonly edits?: Partial<RequestEdits>;
  /** Called with each piece of content. */
  readonly onContent?: (request: OpenRequest) => void;
  /** The request is released with its response, as an exchange does. @default true */
  readonly releases?: boolean;
  /** The request is aborted at the head of its response, as before a retry. @default false */
  readonly abortsAtHead?: boolean;
}

/** The server's side of an upstream connection. */
export class Http2UpstreamWorld {
  readonly socket: FakeSocket;
  readonly connection: Http2Upstream;
  settings: ConnectionPool = { httpVersion: "2" };
  nowMs = 1000;
  /** The time since the last tick, which set `nowMs`. */
  sinceTickMs = 0;
  /** How often the pool was told that it is closed. */
  timesClosed = 0;
  isCurrent = true;
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder();
  #framesTaken = 0;

  constructor({ peer = "", isStuck = false } = {}) {
    this.socket = new FakeSocket({ isStuck });
    this.connection = new Http2Upstream(
      {
        ...{ kind: "connected", socket: asSocket(this.socket), protocol: "http2", address: "10.0.0.1:80", peer },
        ...{ idleMs: 1000, isCurrent: () => this.isCurrent, meter: undefined },
      },
      {
        owner: {
          onClosed: () => {
            this.timesClosed += 1;
          },
        },
        messageLimits: HTTP1_LIMITS,
        nowMs: () => this.nowMs,
        exactMs: () => this.nowMs + this.sinceTickMs,
        settings: () => this.settings,
      },
    );
  }

  /** The server's SETTINGS arrive. */
  async start(...settings: readonly (readonly [number, number])[]): Promise<this> {
    await this.sends(settingsFrame(...settings), SETTINGS_ACK);
    this.takeFrames();
    return this;
  }

  /** The server sends frames in one packet; all that follows has happened. */
  async sends(...frames: readonly Buffer[]): Promise<void> {
    this.socket.push(Buffer.concat(frames));
    await this.settled();
  }

  async settled(): Promise<void> {
    await settlePromises();
    await new Promise((resolve) => setImmediate(resolve));
    await settlePromises();
  }

  /** A HEADERS frame with a response's head or trailers; in the order in which they are sent. */
  headers(streamId: number, fields: FieldPairs, ends = false): Buffer {
    const target = Buffer.alloc(fields.reduce((sum, [name, value]) => sum + name.length + value.length + 16, 16));
    let at = this.#encoder.beginBlock(target, 0);
    for (const [name, value] of fields) at = this.#encoder.encodeField(target, at, name, value);
    const flags = FLAG.endHeaders | (ends ? FLAG.endStream : 0);
    return rawFrame(FRAME.headers, flags, streamId, target.subarray(0, at));
  }

  /** Begins a request. Its stream is 1, 3, 5 and so on. */
  request(options: RequestOptions = {}): OpenRequest {
    const { head = requestHead(), edits, onContent, releases = true, abortsAtHead = false } = options;
    const stream = this.connection.openStream();
    const opened: OpenRequest = { stream, events: [], heads: [], openPackets: 0 };
    const { events, heads } = opened;
    const sink: ResponseSink = {
      onPacketStart: () => {
        opened.openPackets += 1;
      },
      onPacketEnd: () => {
        opened.openPackets -= 1;
      },
      onResponseHead: (received) => {
        events.push(`${received.status}`);
        heads.push(received);
        if (abortsAtHead) stream.abort({ kind: "abandoned" });
      },
      onResponseBody: ({ bytes }: BodyPiece) => {
        events.push(bytes.toString("latin1"));
        onContent?.(opened);
      },
      onResponseEnd: (trailers) => {
        events.push(`end${trailersText(trailers)}`);
        if (releases) stream.release();
      },
      onUpstreamLost: (reason) => {
        events.push(`lost ${reason.kind}${reason.kind === "reset" ? ` ${reason.cause}` : ""}`);
        stream.abort(reason);
      },
      onUpstreamDrain: () => void events.push("drain"),
    };
    stream.cork();
    stream.sendHead(sink, head, { ...EDITS, ...edits });
    stream.uncork();
    return opened;
  }

  /** The frames that the server has received since the last call. */
  takeFrames(): readonly ReadFrame[] {
    const all = readFrames(Buffer.concat(this.socket.packets).subarray(CLIENT_PREFACE.length));
    const fresh = all.slice(this.#framesTaken);
    this.#framesTaken = all.length;
    return fresh;
  }

  takeFramesOf(type: number): readonly ReadFrame[] {
    return this.takeFrames().filter((frame) => frame.type === type);
  }

  /** The fields of a HEADERS frame; each must be decoded once, in order. */
  decode(frame: ReadFrame | undefined): FieldPairs {
    if (frame === undefined) throw new Error("no HEADERS frame");
    const decoded = this.#decoder.decode(frame.payload);
    if (decoded.kind !== "fields") throw new Error(decoded.message);
    return decoded.names.map((name, index) => [name, decoded.values[index] ?? ""]);
  }
}

function trailersText(trailers: Trailers | undefined): string {
  return trailers === undefined ? "" : ` ${trailers.nameAt(0)}=${trailers.valueAt(0)}`;
}

export const OK: FieldPairs = [[":status", "200"]];
