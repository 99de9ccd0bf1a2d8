import { literal } from "../hpack/block-fixture.ts";
import { HpackDecoder } from "../hpack/hpack-decoder.ts";
import { type FieldPair, fields, type Part, pseudoFields, type WireCase } from "./wire-case-fixture.ts";
import { END_HEADERS, END_STREAM, TYPE, type WireFrame, wireFrame } from "./wire-frames-fixture.ts";
import { connectWireClient, type WirePeer } from "./wire-peer-fixture.ts";

/** How one stream ended. */
export type StreamEnd =
  | { readonly kind: "reset"; readonly code: number }
  | { readonly kind: "response"; readonly status: string; readonly body: string }
  /** The connection was closed before. */
  | { readonly kind: "none" };

/** What an endpoint did with a case. */
export interface WireOutcome {
  readonly attack: StreamEnd;
  /** A sound request on the same connection, sent behind the case. */
  readonly neighbour: StreamEnd;
  /** The code of the first GOAWAY. */
  readonly goaway: number | undefined;
}

/** An endpoint that neither answers nor closes for so long has failed the case. */
const PATIENCE_MS = 45_000;

const ATTACK_ID = 1;
const NEIGHBOUR_ID = 3;

export interface WireCaseOptions {
  /** Each frame is sent when the server has read the one before. @default false: all at once */
  readonly isPaced?: boolean;
}

/** Sends a case to an HTTP/2 server on loopback, on a connection of its own, and returns what the server did. */
export async function runWireCase(
  port: number,
  { parts }: WireCase,
  { isPaced = false }: WireCaseOptions = {},
): Promise<WireOutcome> {
  const client = await connectWireClient(port);
  const timer = setTimeout(() => client.close(), PATIENCE_MS);
  const outcome = new OutcomeReader();
  try {
    const frames = parts.map((part) => frameOf(ATTACK_ID, part));
    if (isPaced) for (const frame of frames) await sendPaced(client, frame, outcome);
    else client.send(...frames);
    client.send(frameOf(NEIGHBOUR_ID, fields(pseudoFields({ ":path": "/neighbour" }))));
    while (!outcome.isComplete) {
      const frame = await client.next();
      if (frame === undefined) break;
      outcome.read(frame);
    }
  } finally {
    clearTimeout(timer);
    client.close();
  }
  return outcome.result();
}

/** A server that has read the frame acknowledges the PING behind it (RFC 9113 §6.7). */
async function sendPaced(client: WirePeer, sent: Buffer, outcome: OutcomeReader): Promise<void> {
  client.send(sent, wireFrame(TYPE.ping, 0, 0, Buffer.alloc(8)));
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    outcome.read(frame);
    if (frame.type === TYPE.ping) return;
  }
}

/** One part of a message as its frame. */
export function frameOf(streamId: number, part: Part): Buffer {
  const end = part.endsStream ? END_STREAM : 0;
  if (part.kind === "data") return wireFrame(TYPE.data, end, streamId, Buffer.from(part.text, "latin1"));
  return wireFrame(TYPE.headers, END_HEADERS | end, streamId, headerBlock(part.fields));
}

/** Every field as it is, without a table, so that no encoder can refuse it. */
function headerBlock(pairs: readonly FieldPair[]): Buffer {
  return Buffer.concat(pairs.map((pair) => literal("plain", pair)));
}

/** What one stream has received so far. */
interface StreamState {
  status: string;
  body: string;
  end: StreamEnd;
}

class OutcomeReader {
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, StreamState>([ATTACK_ID, NEIGHBOUR_ID].map((id) => [id, emptyState()]));
  #goaway: number | undefined;

  get isComplete(): boolean {
    return [...this.#streams.values()].every(({ end }) => end.kind !== "none");
  }

  read({ type, flags, streamId, payload }: WireFrame): void {
    if (type === TYPE.goaway) this.#goaway ??= payload.readUInt32BE(4);
    const block = type === TYPE.headers ? this.#decoder.decode(payload) : undefined;
    const state = this.#streams.get(streamId);
    if (state === undefined || state.end.kind !== "none") return;
    if (type === TYPE.reset) state.end = { kind: "reset", code: payload.readUInt32BE(0) };
    if (type === TYPE.data) state.body += payload.toString("latin1");
    if (block?.kind === "fields" && block.names[0] === ":status") state.status = block.values[0] ?? "";
    const isEnd = (type === TYPE.headers || type === TYPE.data) && (flags & END_STREAM) !== 0;
    if (isEnd) state.end = { kind: "response", status: state.status, body: state.body };
  }

  result(): WireOutcome {
    const endOf = (id: number): StreamEnd => this.#streams.get(id)?.end ?? { kind: "none" };
    return { attack: endOf(ATTACK_ID), neighbour: endOf(NEIGHBOUR_ID), goaway: this.#goaway };
  }
}

function emptyState(): StreamState {
  return { status: "", body: "", end: { kind: "none" } };
}
