import { type ReadFrame, rawFrame, readFrames, SETTINGS_ACK, settingsFrame } from "../frames/frame-fixture.ts";
import { CLIENT_PREFACE, FLAG, FRAME } from "../frames/frame-types.ts";
import { HpackDecoder } from "../hpack/hpack-decoder.ts";
import { HpackEncoder } from "../hpack/hpack-encoder.ts";
import type { Http2Limits } from "../http2-limits.ts";
import type { Http2RequestHead, Http2ResponseHead } from "../message-head.ts";
import type { OutputFields } from "./header-block-writer.ts";
import { Http2ClientConnection } from "./http2-client-connection.ts";
import type { Http2Connection } from "./http2-connection.ts";
import type { Http2Event } from "./http2-events.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";

/** Names and values, in order. */
export type FieldPairs = readonly (readonly [string, string])[];

/** Fields to send, from a list of names and values. */
export function outputFields(pairs: FieldPairs = []): OutputFields {
  return {
    writeTo: (writer) => {
      for (const [name, value] of pairs) writer.field(name, value);
    },
  };
}

export const GET: FieldPairs = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/"],
  [":authority", "world.ns2"],
];

export const POST: FieldPairs = [[":method", "POST"], ...GET.slice(1)];

/** A peer of an engine that writes raw frames, legal or not, and reads the engine's. */
export class RawPeer<Head, Connection extends Http2Connection<Head, string>> {
  readonly connection: Connection;
  /** All events so far. */
  readonly events: Http2Event<Head, string>[] = [];
  nowMs = 1000;
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder();

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Sends bytes; returns their events. */
  send(...frames: readonly Buffer[]): readonly Http2Event<Head, string>[] {
    const events = this.connection.receive(Buffer.concat(frames), this.nowMs);
    this.events.push(...events);
    return events;
  }

  /** A HEADERS frame with END_HEADERS. */
  headers(streamId: number, fields: FieldPairs, flags = 0): Buffer {
    return rawFrame(FRAME.headers, FLAG.endHeaders | flags, streamId, this.block(fields));
  }

  /** A header block; blocks must be sent in the order in which they were made. */
  block(fields: FieldPairs): Buffer {
    const bytes = fields.reduce((sum, [name, value]) => sum + name.length + value.length + 16, 16);
    const target = Buffer.alloc(bytes);
    let at = this.#encoder.beginBlock(target, 0);
    for (const [name, value] of fields) at = this.#encoder.encodeField(target, at, name, value);
    return target.subarray(0, at);
  }

  /** The engine's output until now, all that it is allowed to send. */
  takeFrames(): readonly ReadFrame[] {
    const pieces: Buffer[] = [];
    while (this.connection.hasOutput) pieces.push(...this.connection.takeOutput());
    this.events.push(...this.connection.takeEvents());
    return readFrames(Buffer.concat(pieces));
  }

  /** The engine's output of one type. */
  takeFramesOf(type: number): readonly ReadFrame[] {
    return this.takeFrames().filter((frame) => frame.type === type);
  }

  /** The fields of a HEADERS frame of the engine; each must be decoded once, in order. */
  decode(frame: ReadFrame): FieldPairs {
    const decoded = this.#decoder.decode(frame.payload);
    if (decoded.kind !== "fields") throw new Error(decoded.message);
    return decoded.names.map((name, index) => [name, decoded.values[index] ?? ""]);
  }

  eventsOf<Kind extends Http2Event<Head, string>["kind"]>(
    kind: Kind,
  ): readonly Extract<Http2Event<Head, string>, { kind: Kind }>[] {
    return this.events.filter(
      (event): event is Extract<Http2Event<Head, string>, { kind: Kind }> => event.kind === kind,
    );
  }
}

export type RawClient = RawPeer<Http2RequestHead, Http2ServerConnection<string>>;
export type RawServer = RawPeer<Http2ResponseHead, Http2ClientConnection<string>>;

export interface PeerOptions {
  readonly limits?: Http2Limits;
  /** The peer's SETTINGS. */
  readonly settings?: readonly (readonly [number, number])[];
  readonly allowsExtendedConnect?: boolean;
}

/** A raw client after the exchange of SETTINGS. */
export function createRawClient({ settings = [], ...options }: PeerOptions = {}): RawClient {
  const client: RawClient = new RawPeer(new Http2ServerConnection<string>({ ...options, nowMs: 1000 }));
  client.send(CLIENT_PREFACE, settingsFrame(...settings), SETTINGS_ACK);
  client.takeFrames();
  client.events.length = 0;
  return client;
}

/** A raw server after the exchange of SETTINGS. */
export function createRawServer({ settings = [], limits }: PeerOptions = {}): RawServer {
  const options = limits === undefined ? { nowMs: 1000 } : { limits, nowMs: 1000 };
  const connection = new Http2ClientConnection<string>(options);
  connection.takeOutput();
  const server: RawServer = new RawPeer(connection);
  server.send(settingsFrame(...settings), SETTINGS_ACK);
  server.takeFrames();
  server.events.length = 0;
  return server;
}

/** Opens a request from the engine; fails if it has no capacity. */
export function openRequest(server: RawServer, method = "GET", endsStream = true) {
  const stream = server.connection.request(
    { method, scheme: "https", authority: "world.ns2", path: "/", fields: outputFields() },
    endsStream,
  );
  if (stream === undefined) throw new Error("no capacity for a request");
  server.takeFrames();
  return stream;
}
