/** For tests: the server side of WebSocket (RFC 6455), which echoes its input. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CLOSE = 8;

/** One frame: its opcode with the FIN bit, and its unmasked content. */
interface Frame {
  readonly first: number;
  readonly content: Buffer;
  readonly length: number;
}

/** Completes the handshake, then echoes every frame; a close frame is echoed and ends the connection. */
export function acceptWebSocket({ headers }: IncomingMessage, socket: Duplex, head: Buffer): void {
  const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${GUID}`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let held = head;
  const onBytes = (bytes: Buffer): void => {
    held = Buffer.concat([held, bytes]);
    for (let frame = readFrame(held); frame !== undefined; frame = readFrame(held)) {
      held = held.subarray(frame.length);
      socket.write(formatFrame(frame));
      if ((frame.first & 15) === CLOSE) socket.end();
    }
  };
  socket.on("error", () => socket.destroy());
  socket.on("data", onBytes);
  onBytes(Buffer.alloc(0));
}

/** `undefined` if it is incomplete. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const short = second & 127;
  const wide = short === 127 ? 8 : short === 126 ? 2 : 0;
  const start = 2 + wide + 4;
  if (bytes.length < start) return undefined;
  const size = wide === 8 ? Number(bytes.readBigUInt64BE(2)) : wide === 2 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < start + size) return undefined;
  const mask = bytes.subarray(start - 4, start);
  const content = bytes.subarray(start, start + size).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return { first, content: Buffer.from(content), length: start + size };
}

function formatFrame({ first, content }: Frame): Buffer {
  const size = content.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = size < 126 ? size : size < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(size, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
  return Buffer.concat([head, content]);
}
