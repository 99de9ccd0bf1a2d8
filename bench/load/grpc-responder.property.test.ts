import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatGrpcRequest } from "./grpc-messages.ts";
import { GrpcResponder } from "./grpc-responder.ts";

const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const WINDOW_UPDATE = 8;
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

interface Frame {
  readonly type: number;
  readonly flags?: number;
  readonly id?: number;
  readonly payload?: Buffer;
}

function formatFrame({ type, flags = 0, id = 0, payload = Buffer.alloc(0) }: Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

function requestOf(id: number, messages: number): Buffer {
  const [head, data] = [
    { type: HEADERS, flags: 4, id },
    { type: DATA, flags: 1, id, payload: formatGrpcRequest(messages) },
  ];
  return Buffer.concat([formatFrame(head), formatFrame(data)]);
}

function takeAll(responder: GrpcResponder): Buffer {
  const taken: Buffer[] = [];
  for (let bytes = responder.take(1000); bytes !== undefined; bytes = responder.take(1000)) taken.push(bytes);
  return Buffer.concat(taken);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function listFrames(bytes: Buffer): readonly (Required<Omit<Frame, "payload">> & { readonly length: number })[] {
  const frames = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    frames.push({ type: bytes[at + 3] ?? -1, flags: bytes[at + 4] ?? 0, id: bytes.readUInt32BE(at + 5), length });
    at += 9 + length;
  }
  return frames;
}

describe("the gRPC backend's connection", () => {
  const input = Buffer.concat([PREFACE, formatFrame({ type: SETTINGS }), requestOf(1, 0), requestOf(3, 2)]);

  it("sends the same for every split of what it receives", () => {
    const whole = new GrpcResponder();
    whole.push(input);
    const expected = takeAll(whole);
    expect(expected.includes("Hello, world\n")).toBe(true);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: input.length })), (cuts) => {
        const responder = new GrpcResponder();
        const ends = [...cuts.sort((one, other) => one - other), input.length];
        for (const [index, end] of ends.entries()) responder.push(input.subarray(ends[index - 1] ?? 0, end));
        expect(takeAll(responder)).toEqual(expected);
      }),
    );
  });

  it("sends no more than its client's windows allow, and goes on when they grow", () => {
    const responder = new GrpcResponder();
    responder.push(Buffer.concat([PREFACE, formatFrame({ type: SETTINGS }), requestOf(1, 20)]));
    const dataOf = (bytes: Buffer) => listFrames(bytes).filter(({ type }) => type === DATA);
    expect(dataOf(takeAll(responder))).toHaveLength(15);
    const credit = uint32(65_536);
    responder.push(formatFrame({ type: WINDOW_UPDATE, id: 1, payload: credit }));
    expect(takeAll(responder)).toHaveLength(0);
    responder.push(formatFrame({ type: WINDOW_UPDATE, payload: credit }));
    const rest = takeAll(responder);
    expect(dataOf(rest)).toHaveLength(5);
    expect(listFrames(rest).at(-1)).toMatchObject({ type: HEADERS, flags: 5, id: 1 });
  });
});
