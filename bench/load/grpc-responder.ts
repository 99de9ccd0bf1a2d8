import { formatGrpcMessage, parseGrpcRequest, STREAM_MESSAGE_BYTES, UNARY_MESSAGE } from "./grpc-messages.ts";

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const INITIAL_WINDOW_SIZE = 4;
const DEFAULT_WINDOW = 65_535;
const CREDIT_BYTES = 32_768;

/** Field blocks that need no table: indexed fields of the static table, and literals without indexing (RFC 7541, 6.1, 6.2.2). */
const HEAD_BLOCK = Buffer.concat([Buffer.from([0x88]), literalOfStaticName(31, "application/grpc")]);
const TRAILERS_BLOCK = literal("grpc-status", "0");
/** INVALID_ARGUMENT, with the status in the head alone. */
const REFUSAL_BLOCK = Buffer.concat([HEAD_BLOCK, literal("grpc-status", "3")]);
const STREAM_MESSAGE = formatGrpcMessage(Buffer.alloc(STREAM_MESSAGE_BYTES - 5, "e"));

interface Call {
  readonly id: number;
  request: Buffer;
  /** What may be sent on the stream before its next WINDOW_UPDATE. */
  window: number;
  response: { readonly message: Buffer; left: number; isHeadSent: boolean } | undefined;
}

/**
 * One HTTP/2 connection of the gRPC backend: answers from prepared frames, so that it is not what is measured. Requests'
 * fields are not decoded: the message says what is wanted (`formatGrpcRequest`). Flow control is obeyed. Sans-I/O; it trusts
 * its clients: the bench's own.
 */
export class GrpcResponder {
  #held: Buffer = Buffer.alloc(0);
  #prefaceLeft = PREFACE_BYTES;
  #window = DEFAULT_WINDOW;
  #streamWindow = DEFAULT_WINDOW;
  #owedCredit = 0;
  readonly #calls = new Map<number, Call>();
  /** Calls with something to send, in turns. */
  #ready: Call[] = [];
  #control: Buffer[] = [formatFrame(SETTINGS, 0, 0, Buffer.alloc(0))];

  push(chunk: Buffer): void {
    const skipped = Math.min(this.#prefaceLeft, chunk.length);
    this.#prefaceLeft -= skipped;
    const bytes =
      this.#held.length === 0 ? chunk.subarray(skipped) : Buffer.concat([this.#held, chunk.subarray(skipped)]);
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#read(bytes, at, end);
      at = end;
    }
    this.#held = bytes.subarray(at);
  }

  /** What can be sent now, about `maxBytes` of it; `undefined`: nothing. */
  take(maxBytes: number): Buffer | undefined {
    const out = this.#control;
    this.#control = [];
    let bytes = 0;
    const waiting: Call[] = [];
    for (let call = this.#ready.shift(); call !== undefined; call = this.#ready.shift()) {
      if (!this.#calls.has(call.id)) continue;
      bytes += this.#send(call, maxBytes - bytes, out);
      if (this.#calls.has(call.id)) waiting.push(call);
      if (bytes >= maxBytes) break;
    }
    this.#ready.push(...waiting);
    return out.length === 0 ? undefined : Buffer.concat(out);
  }

  #read(bytes: Buffer, at: number, end: number): void {
    const [flags, id] = [bytes[at + 4] ?? 0, bytes.readUInt32BE(at + 5)];
    const payload = bytes.subarray(at + HEAD_BYTES, end);
    switch (bytes[at + 3]) {
      case HEADERS:
        this.#calls.set(id, { id, request: Buffer.alloc(0), window: this.#streamWindow, response: undefined });
        break;
      case DATA:
        this.#readData(id, (flags & PADDED) === 0 ? payload : payload.subarray(1, payload.length - (payload[0] ?? 0)));
        this.#giveCredit(payload.length);
        break;
      case RST_STREAM:
        this.#calls.delete(id);
        return;
      case SETTINGS:
        if ((flags & ACK) === 0) this.#apply(payload);
        return;
      case PING:
        if ((flags & ACK) === 0) this.#control.unshift(formatFrame(PING, ACK, 0, payload));
        return;
      case WINDOW_UPDATE:
        this.#widen(id, payload.readUInt32BE(0));
        return;
      default:
        return;
    }
    if ((flags & END_STREAM) !== 0) this.#answer(id);
  }

  #readData(id: number, data: Buffer): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    call.request = call.request.length === 0 ? Buffer.from(data) : Buffer.concat([call.request, data]);
  }

  #answer(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    const wanted = parseGrpcRequest(call.request);
    if (wanted === undefined) {
      this.#calls.delete(id);
      this.#control.push(formatFrame(HEADERS, END_HEADERS | END_STREAM, id, REFUSAL_BLOCK));
      return;
    }
    const [message, left] = wanted === 0 ? [UNARY_MESSAGE, 1] : [STREAM_MESSAGE, wanted];
    call.response = { message, left, isHeadSent: false };
    this.#ready.push(call);
  }

  /** The connection's window is given back; a stream's is wide enough for any request. */
  #giveCredit(bytes: number): void {
    this.#owedCredit += bytes;
    if (this.#owedCredit < CREDIT_BYTES) return;
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(this.#owedCredit);
    this.#control.push(formatFrame(WINDOW_UPDATE, 0, 0, payload));
    this.#owedCredit = 0;
  }

  #apply(settings: Buffer): void {
    for (let at = 0; at + 6 <= settings.length; at += 6) {
      if (settings.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const window = settings.readUInt32BE(at + 2);
      for (const call of this.#calls.values()) call.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#control.push(formatFrame(SETTINGS, ACK, 0, Buffer.alloc(0)));
  }

  #widen(id: number, bytes: number): void {
    const call = this.#calls.get(id);
    if (id === 0) this.#window += bytes;
    else if (call !== undefined) call.window += bytes;
  }

  /** One DATA frame a message, as gRPC's servers send. Returns how much was added to `out`. */
  #send(call: Call, maxBytes: number, out: Buffer[]): number {
    const { id, response } = call;
    if (response === undefined) return 0;
    let bytes = 0;
    if (!response.isHeadSent) bytes += add(out, formatFrame(HEADERS, END_HEADERS, id, HEAD_BLOCK));
    response.isHeadSent = true;
    const { message } = response;
    while (response.left > 0 && bytes < maxBytes && Math.min(this.#window, call.window) >= message.length) {
      bytes += add(out, formatFrame(DATA, 0, id, message));
      this.#window -= message.length;
      call.window -= message.length;
      response.left -= 1;
    }
    if (response.left > 0) return bytes;
    this.#calls.delete(id);
    return bytes + add(out, formatFrame(HEADERS, END_HEADERS | END_STREAM, id, TRAILERS_BLOCK));
  }
}

function add(out: Buffer[], frame: Buffer): number {
  out.push(frame);
  return frame.length;
}

function formatFrame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame[3] = type;
  frame[4] = flags;
  frame.writeUInt32BE(id, 5);
  payload.copy(frame, HEAD_BYTES);
  return frame;
}

/** A name of the static table from 15 on, and a value shorter than 127 bytes. */
function literalOfStaticName(index: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x0f, index - 15, value.length]), Buffer.from(value, "latin1")]);
}

function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name, "latin1"),
    Buffer.from([value.length]),
    Buffer.from(value, "latin1"),
  ]);
}
