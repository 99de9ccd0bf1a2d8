import { describe, expect, it } from "vitest";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import type { Http1ResponseHead } from "../../http1/message-head.ts";
import { ResponseFramer } from "../../http1/response-framer.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import { Http1Response } from "./http1-response.ts";

interface Written {
  readonly socket: FakeSocket;
  readonly writer: Http1Response;
}

/** The response to a GET. @param isLast whether the connection closes after it. */
function start({ isStuck = false, isLast = false } = {}): Written {
  const socket = new FakeSocket({ isStuck });
  const writer = new Http1Response(asSocket(socket), { isLast: () => isLast });
  writer.begin({ method: "GET", version: "1.1" });
  return { socket, writer };
}

function pieceOf(content: Buffer | string): BodyPiece {
  return { bytes: Buffer.from(content), ranges: undefined };
}

/** A server's packet, and the framer's events for it. */
function answer(fields: string, body: string, blank = " "): { packet: Buffer; head: Http1ResponseHead; body: Buffer } {
  const packet = Buffer.from(
    `HTTP/1.1 200 OK\r\n${fields}Content-Length:${blank}${body.length}\r\n\r\n${body}`,
    "latin1",
  );
  const framer = new ResponseFramer();
  framer.expect({ method: "GET", hasUpgrade: false });
  const [first] = framer.push(packet);
  if (first?.kind !== "head") throw new Error("no head");
  return { packet, head: first.head, body: packet.subarray(packet.length - body.length) };
}

describe("a response that came in one packet", () => {
  it("and needs no change is forwarded unchanged, without a copy", () => {
    const { socket, writer } = start();
    const { packet, head, body } = answer("X-Own: 1\r\n", "content");
    writer.startPacket(packet);
    writer.sendHead(head, undefined);
    writer.sendBody(pieceOf(body));
    expect(socket.packets).toEqual([]);
    writer.endPacket();
    expect(socket.packets).toHaveLength(1);
    expect(socket.chunks[0]).toBe(packet);
  });

  it.each([
    { name: "a field of its hop", fields: "Keep-Alive: timeout=5\r\n", close: false, expected: /^(?!.*Keep-Alive)/s },
    { name: "the end of the connection", fields: "", close: true, expected: /connection: close\r\n\r\ncontent$/ },
  ])("and is changed ($name) leaves in one packet, as changed", ({ fields, close, expected }) => {
    const { socket, writer } = start({ isLast: close });
    const { packet, head, body } = answer(fields, "content");
    writer.startPacket(packet);
    writer.sendHead(head, undefined);
    writer.sendBody(pieceOf(body));
    writer.endPacket();
    expect(socket.packets).toHaveLength(1);
    expect(socket.written).toMatch(expected);
    expect(writer.bytes).toBe(socket.written.length);
  });

  it("and is changed without becoming longer leaves as changed", () => {
    const { socket, writer } = start();
    const { packet, head, body } = answer("X-Old: 1\r\n", "content");
    writer.startPacket(packet);
    writer.sendHead(head, { added: [{ name: "x-new", value: "2" }], removed: new Set(["x-old"]) });
    writer.sendBody(pieceOf(body));
    writer.endPacket();
    expect(socket.written).toBe("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nx-new: 2\r\n\r\ncontent");
    expect(socket.written).toHaveLength(packet.length);
  });

  it("and is in an unusual form leaves in its canonical form, even if that is as long", () => {
    const { socket, writer } = start();
    const { packet, head, body } = answer("", "content", "\t");
    writer.startPacket(packet);
    writer.sendHead(head, undefined);
    writer.sendBody(pieceOf(body));
    writer.endPacket();
    expect(socket.written).toBe("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent");
  });

  it("is not sent as one if only a part of the packet belongs to the client", () => {
    const { socket, writer } = start();
    const { head, body } = answer("", "content");
    writer.startPacket(Buffer.concat([Buffer.from(head.fields.text), body, Buffer.from("HTTP/1.1 200 forged")]));
    writer.sendHead(head, undefined);
    writer.sendBody(pieceOf(body));
    writer.endPacket();
    expect(socket.written).toBe(`${head.fields.text}content`);
  });

  it("and is complete is released at its end: later content does not wait for a packet's end", () => {
    const { socket, writer } = start();
    const { packet, head, body } = answer("", "content");
    writer.startPacket(packet);
    writer.sendHead(head, undefined);
    writer.sendBody(pieceOf(body));
    writer.sendEnd(undefined);
    writer.sendBody(pieceOf("later"));
    expect(socket.packets.map(String)).toEqual([packet.toString(), "later"]);
  });

  it("does not resend the packet before it", () => {
    const { socket, writer } = start();
    const { packet, head, body } = answer("", "content");
    writer.startPacket(packet);
    writer.sendHead(head, undefined);
    writer.sendBody(pieceOf(body));
    writer.endPacket();
    const other = Buffer.alloc(packet.length, "y");
    writer.sendBody(pieceOf(other));
    expect(socket.written).toBe(packet.toString() + other.toString());
    expect(writer.bytes).toBe(2 * packet.length);
  });
});

describe("a response that arrives piece by piece", () => {
  it("leaves piece by piece, immediately", () => {
    const { socket, writer } = start();
    const { head } = answer("", "content");
    writer.sendHead(head, undefined);
    expect(socket.written).toBe(head.fields.text);
    writer.sendBody(pieceOf(Buffer.from("con")));
    writer.sendBody(pieceOf(Buffer.from("tent")));
    expect(socket.packets.map(String)).toEqual([head.fields.text, "con", "tent"]);
  });

  it("reports when the client cannot accept more", () => {
    const { writer } = start({ isStuck: true });
    expect(writer.sendBody(pieceOf(Buffer.from("x".repeat(20))))).toBe(false);
  });

  it("within a packet reports it at its end", () => {
    const { writer } = start({ isStuck: true });
    const packet = Buffer.from("x".repeat(20));
    writer.startPacket(packet);
    expect(writer.sendBody(pieceOf(packet))).toBe(true);
    expect(writer.endPacket()).toBe(false);
  });
});
