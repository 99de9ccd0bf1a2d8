/** For tests: a client that writes raw HTTP/2 frames, legal or not, and reads what comes back. */
import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { dialRaw } from "../../net/raw-client-fixture.ts";
import { dataFrame, type ReadFrame, rawFrame, SETTINGS_ACK, settingsFrame } from "../http2/frames/frame-fixture.ts";
import { CLIENT_PREFACE, FLAG, FRAME, FRAME_HEADER_BYTES } from "../http2/frames/frame-types.ts";
import { HpackDecoder } from "../http2/hpack/hpack-decoder.ts";
import { HpackEncoder } from "../http2/hpack/hpack-encoder.ts";

/** Names and values, in order. */
export type FieldPairs = readonly (readonly [string, string])[];

/** The head of a request for `path`. */
export function requestOf(path = "/", fields: FieldPairs = [], method = "GET"): FieldPairs {
  return [[":method", method], [":scheme", "http"], [":path", path], [":authority", "shop.example"], ...fields];
}

/** What has come of one response. */
export interface ReceivedResponse {
  /** `:status` of each head, interim ones first. */
  readonly statuses: string[];
  /** Of the last head, then the trailers behind it. */
  readonly fields: [string, string][];
  readonly trailers: [string, string][];
  content: string;
  hasEnded: boolean;
  /** The code of RST_STREAM. */
  resetCode: number | undefined;
}

/** A client on a socket. It acknowledges SETTINGS and PING, and grants windows unless it is told not to. */
export class RawHttp2Client {
  readonly socket: Socket;
  /** All frames so far. */
  readonly frames: ReadFrame[] = [];
  readonly #responses = new Map<number, ReceivedResponse>();
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder({
    limits: { maxBlockBytes: 1_000_000, maxListBytes: 1_000_000, maxFields: 5000, maxCookieCrumbs: 512 },
  });
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #grantsWindows: boolean;
  #input = Buffer.alloc(0);
  #isClosed = false;

  constructor(socket: Socket, { grantsWindows = true } = {}) {
    this.socket = socket;
    this.#grantsWindows = grantsWindows;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      this.#isClosed = true;
      this.#changes.emit("change");
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The codes of GOAWAY, in order, with the last stream that each allows. */
  get goaways(): readonly { readonly lastId: number; readonly code: number; readonly text: string }[] {
    return this.frames
      .filter(({ type }) => type === FRAME.goaway)
      .map(({ payload }) => ({
        lastId: payload.readUInt32BE(0),
        code: payload.readUInt32BE(4),
        text: payload.subarray(8).toString("latin1"),
      }));
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** A HEADERS frame. Blocks must be sent in the order in which they were made. */
  headers(streamId: number, fields: FieldPairs, { ends = true, flags = FLAG.endHeaders as number } = {}): Buffer {
    return rawFrame(FRAME.headers, flags | (ends ? FLAG.endStream : 0), streamId, this.block(fields));
  }

  block(fields: FieldPairs): Buffer {
    const target = Buffer.alloc(fields.reduce((sum, [name, value]) => sum + name.length + value.length + 16, 16));
    let at = this.#encoder.beginBlock(target, 0);
    for (const [name, value] of fields) at = this.#encoder.encodeField(target, at, name, value);
    return target.subarray(0, at);
  }

  /** The response on a stream, as far as it has come. */
  response(streamId: number): ReceivedResponse {
    const known = this.#responses.get(streamId);
    if (known !== undefined) return known;
    const created: ReceivedResponse = {
      statuses: [],
      fields: [],
      trailers: [],
      content: "",
      hasEnded: false,
      resetCode: undefined,
    };
    this.#responses.set(streamId, created);
    return created;
  }

  /** Waits until this is true; fails when the connection closes before. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#isClosed) throw new Error(`closed too early; GOAWAY: ${JSON.stringify(this.goaways)}`);
      await once(this.#changes, "change");
    }
  }

  /** The complete response on a stream, or its reset. */
  async ended(streamId: number): Promise<ReceivedResponse> {
    const response = this.response(streamId);
    await this.until(() => response.hasEnded || response.resetCode !== undefined);
    return response;
  }

  async closed(): Promise<void> {
    while (!this.#isClosed) await once(this.#changes, "change");
  }

  /** Sends a request and waits for the end of its response. */
  async ask(streamId: number, fields: FieldPairs, content?: string): Promise<ReceivedResponse> {
    const head = this.headers(streamId, fields, { ends: content === undefined });
    this.send(head, ...(content === undefined ? [] : [dataFrame(streamId, content, true)]));
    return await this.ended(streamId);
  }

  #read(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    while (this.#input.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + this.#input.readUIntBE(0, 3);
      if (this.#input.length < end) break;
      this.#onFrame({
        type: this.#input.readUInt8(3),
        flags: this.#input.readUInt8(4),
        streamId: this.#input.readUInt32BE(5),
        payload: this.#input.subarray(FRAME_HEADER_BYTES, end),
      });
      this.#input = this.#input.subarray(end);
    }
    this.#changes.emit("change");
  }

  #onFrame(frame: ReadFrame): void {
    const { type, flags, streamId, payload } = frame;
    this.frames.push(frame);
    const response = this.response(streamId);
    if (type === FRAME.headers) this.#onHeaders(response, payload);
    if (type === FRAME.data) this.#onData(response, frame);
    if (type === FRAME.rstStream) response.resetCode = payload.readUInt32BE(0);
    if ((type === FRAME.headers || type === FRAME.data) && (flags & FLAG.endStream) !== 0) response.hasEnded = true;
    if (type === FRAME.settings && (flags & FLAG.ack) === 0) this.send(SETTINGS_ACK);
    if (type === FRAME.ping && (flags & FLAG.ack) === 0) this.send(rawFrame(FRAME.ping, FLAG.ack, 0, payload));
  }

  #onHeaders(response: ReceivedResponse, block: Buffer): void {
    const decoded = this.#decoder.decode(block);
    if (decoded.kind !== "fields") throw new Error("a header block that cannot be decoded");
    const pairs = decoded.names.map((name, index): [string, string] => [name, decoded.values[index] ?? ""]);
    const [first] = pairs;
    if (first?.[0] !== ":status") {
      response.trailers.push(...pairs);
      return;
    }
    response.statuses.push(first[1]);
    response.fields.splice(0, response.fields.length, ...pairs.slice(1));
  }

  #onData(response: ReceivedResponse, { streamId, payload }: ReadFrame): void {
    response.content += payload.toString("latin1");
    if (!this.#grantsWindows || payload.length === 0) return;
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(payload.length);
    this.send(rawFrame(FRAME.windowUpdate, 0, 0, increment));
    this.send(rawFrame(FRAME.windowUpdate, 0, streamId, increment));
  }
}

/** Connects, with the preface and SETTINGS. */
export async function dialHttp2(
  cleanup: Cleanup,
  port: number,
  options: { readonly grantsWindows?: boolean; readonly settings?: readonly (readonly [number, number])[] } = {},
): Promise<RawHttp2Client> {
  const client = new RawHttp2Client(await dialRaw(cleanup, port), options);
  client.send(CLIENT_PREFACE, settingsFrame(...(options.settings ?? [])));
  return client;
}
