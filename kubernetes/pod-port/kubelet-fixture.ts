/** For tests: the WebSocket end of a kubelet that forwards one port of a pod, with frames as RFC 6455 writes them. */
import { createHash } from "node:crypto";
import { connect } from "node:net";
import type { UpgradeListener } from "../scripted-server-fixture.ts";

const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BINARY = 2;
const CLOSE = 8;
/** As the kubelet copies: in pieces of 32 KB. */
const FRAME_BYTES = 32_768;

/** Forwards everything to one local port; a port without a server gives the kubelet's error. */
export function forwardTo(localPort: number): UpgradeListener {
  return forwardPods(() => localPort);
}

/** Forwards to the local port of a pod's port, given as `NAMESPACE/NAME:PORT`; 0: nothing listens there. */
export function forwardPods(resolve: (target: string) => number): UpgradeListener {
  return (request, socket) => {
    const key = request.headers["sec-websocket-key"] ?? "";
    const accept = createHash("sha1").update(`${key}${ACCEPT_SUFFIX}`).digest("base64");
    const head = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept}`,
      "Sec-WebSocket-Protocol: v4.channel.k8s.io",
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    const send = (channel: number, bytes: Buffer): void => {
      if (!socket.destroyed) socket.write(encodeFrame(BINARY, Buffer.concat([Buffer.of(channel), bytes])));
    };
    const port = Buffer.alloc(2);
    const { pathname, searchParams } = new URL(`http://x${request.url}`);
    const [, namespace, name] = /namespaces\/([^/]+)\/pods\/([^/]+)\/portforward$/.exec(pathname) ?? [];
    port.writeUInt16LE(Number(searchParams.get("ports")));
    for (const channel of [0, 1]) send(channel, port);
    const upstream = connect(resolve(`${namespace}/${name}:${searchParams.get("ports")}`), "127.0.0.1");
    upstream.on("data", (bytes) => {
      for (let start = 0; start < bytes.length; start += FRAME_BYTES)
        send(0, bytes.subarray(start, start + FRAME_BYTES));
    });
    upstream.on("error", () => send(1, Buffer.from("error forwarding port: connection refused")));
    upstream.on("close", () => socket.end(encodeFrame(CLOSE, Buffer.alloc(0))));
    let unread: Buffer = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      const { frames, rest } = decodeFrames(Buffer.concat([unread, bytes]));
      unread = rest;
      for (const { opcode, payload } of frames) {
        if (opcode === BINARY && payload[0] === 0) upstream.write(payload.subarray(1));
        if (opcode === CLOSE) upstream.end();
      }
    });
    socket.on("error", () => upstream.destroy());
    socket.on("close", () => upstream.destroy());
  };
}

function encodeFrame(opcode: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(payload.length < 126 ? 2 : 4);
  header[0] = 0x80 | opcode;
  if (payload.length < 126) header[1] = payload.length;
  else {
    header[1] = 126;
    header.writeUInt16BE(payload.length, 2);
  }
  return Buffer.concat([header, payload]);
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A client's frames are masked. */
function decodeFrames(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let rest = bytes;
  for (;;) {
    const short = (rest[1] ?? 0) & 0x7f;
    const headerLength = short === 126 ? 4 : 2;
    if (rest.length < headerLength + 4) return { frames, rest };
    const length = short === 126 ? rest.readUInt16BE(2) : short;
    const start = headerLength + 4;
    if (rest.length < start + length) return { frames, rest };
    const mask = rest.subarray(headerLength, start);
    const payload = rest.subarray(start, start + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    frames.push({ opcode: (rest[0] ?? 0) & 0x0f, payload: Buffer.from(payload) });
    rest = rest.subarray(start + length);
  }
}
