/**
 * The backend of every path: answers HTTP/1.1 from prepared buffers, on a socket, so that it is not what is measured.
 * `/small` gives 13 bytes, `/1k` 1 KiB, `/1m` 1 MiB, `/1g` 1 GiB; a body with a Content-Length is read and thrown away.
 * It trusts its clients: the bench's own. Its argument is the port; without one it takes a free one of loopback and says which.
 */
import { createServer, type Socket } from "node:net";

const KILOBYTE = 1024;
const STREAM_CHUNK = Buffer.alloc(64 * KILOBYTE, "e");
const STREAM_BYTES = KILOBYTE ** 3;

const BODIES: Readonly<Record<string, string>> = {
  "/small": "Hello, world\n",
  "/1k": "e".repeat(KILOBYTE),
  "/1m": "e".repeat(KILOBYTE ** 2),
};
const ANSWERS = prepareAnswers("keep-alive");
const LAST_ANSWERS = prepareAnswers("close");
const NOT_FOUND = Buffer.from("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
const STREAM_HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${STREAM_BYTES}\r\n\r\n`;

function prepareAnswers(connection: string): ReadonlyMap<string, Buffer> {
  const head = `HTTP/1.1 200 OK\r\nServer: bench\r\nConnection: ${connection}\r\nContent-Type: text/plain\r\n`;
  const format = (body: string): Buffer =>
    Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`, "latin1");
  return new Map(Object.entries(BODIES).map(([target, body]) => [target, format(body)]));
}

function serve(socket: Socket): void {
  let held = "";
  /** The request whose body is still coming. */
  let pending: { readonly head: string; bytesLeft: number } | undefined;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    const skipped = Math.min(pending?.bytesLeft ?? 0, chunk.length);
    if (pending !== undefined) pending.bytesLeft -= skipped;
    if (skipped < chunk.length) held += chunk.toString("latin1", skipped);
    while (true) {
      pending ??= nextRequest();
      if (pending === undefined || pending.bytesLeft > 0) return;
      answer(socket, pending.head);
      pending = undefined;
    }
  });

  function nextRequest(): { readonly head: string; bytesLeft: number } | undefined {
    const end = held.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const head = held.slice(0, end);
    const length = head.startsWith("GET ") ? 0 : Number(/\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const rest = held.slice(end + 4);
    held = rest.slice(length);
    return { head, bytesLeft: Math.max(0, length - rest.length) };
  }
}

function answer(socket: Socket, head: string): void {
  const start = head.indexOf(" ") + 1;
  const target = head.slice(start, head.indexOf(" ", start));
  if (target === "/1g") {
    socket.write(STREAM_HEAD);
    stream(socket, STREAM_BYTES);
    return;
  }
  const isLast = /\nconnection: close/i.test(head);
  socket.write((isLast ? LAST_ANSWERS : ANSWERS).get(target) ?? NOT_FOUND);
  if (isLast) socket.end();
}

function stream(socket: Socket, bytes: number): void {
  let left = bytes;
  const send = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= STREAM_CHUNK.length;
      if (!socket.write(STREAM_CHUNK)) return;
    }
    socket.off("drain", send);
  };
  socket.on("drain", send);
  send();
}

const server = createServer(serve);
const [port, host] = process.argv[2] === undefined ? [0, "127.0.0.1"] : [Number(process.argv[2]), "0.0.0.0"];
server.listen({ port, host, backlog: 4096 }, () => {
  const address = server.address();
  process.stdout.write(`${address === null || typeof address === "string" ? 0 : address.port}\n`);
});
process.once("SIGTERM", () => process.exit());
