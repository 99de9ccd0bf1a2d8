/** The upstream that an attacker would wish for. */
import { EventEmitter, once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Cleanup } from "./cleanup-fixture.ts";
import { listen } from "./raw-client-fixture.ts";

/** A request as the upstream understood it. */
export interface ExecutedRequest {
  /** `DELETE /a HTTP/1.1`. */
  readonly line: string;
  readonly head: string;
  readonly body: string;
}

export interface LenientUpstream {
  readonly port: number;
  /** All requests that it executed, over all connections. */
  readonly executed: readonly ExecutedRequest[];
  readonly connections: number;
  next(event: "request" | "connection" | "closed"): Promise<void>;
  destroyConnections(): void;
}

export type Reply = (request: ExecutedRequest, socket: Socket) => string | undefined;

export const OK_REPLY: Reply = ({ line }) => {
  const body = `served ${line}`;
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${line.startsWith("HEAD") ? "" : body}`;
};

/**
 * The upstream that an attacker would wish for: it skips garbage until something looks like a request, and trusts the
 * first framing that it finds. Whatever a proxy lets through by mistake shows up in `executed`.
 */
export async function startLenientUpstream(cleanup: Cleanup, reply: Reply = OK_REPLY): Promise<LenientUpstream> {
  const executed: ExecutedRequest[] = [];
  const sockets = new Set<Socket>();
  const events = new EventEmitter();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      events.emit("closed");
    });
    socket.on("end", () => socket.end());
    let buffered = "";
    socket.on("data", (chunk: Buffer) => {
      buffered += chunk.toString("latin1");
      for (let read = readLeniently(buffered); read !== undefined; read = readLeniently(buffered)) {
        buffered = buffered.slice(read.length);
        executed.push(read.request);
        const response = reply(read.request, socket);
        if (response !== undefined) socket.write(response, "latin1");
        events.emit("request");
      }
    });
    events.emit("connection");
  });
  const port = await listen(cleanup, server);
  cleanup.add(() => {
    for (const socket of sockets) socket.destroy();
  });
  return {
    port,
    executed,
    get connections() {
      return sockets.size;
    },
    next: async (event) => void (await once(events, event)),
    destroyConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function readLeniently(text: string): { readonly request: ExecutedRequest; readonly length: number } | undefined {
  const found = /[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP\/\d\.\d\r\n/.exec(text);
  const headEnd = text.indexOf("\r\n\r\n", found?.index ?? 0);
  if (found === null || headEnd === -1) return undefined;
  const head = text.slice(found.index, headEnd);
  const bodyStart = headEnd + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const isChunked = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head);
  const bodyEnd = isChunked ? endOfChunks(text, bodyStart) : bodyStart + Number(length ?? 0);
  if (bodyEnd === undefined || bodyEnd > text.length) return undefined;
  const line = head.slice(0, head.indexOf("\r\n"));
  return { request: { line, head, body: text.slice(bodyStart, bodyEnd) }, length: bodyEnd };
}

/** Behind well-formed chunks and trailers. From the first byte that is not well formed, anything like a last chunk ends it. */
function endOfChunks(text: string, start: number): number | undefined {
  let at = start;
  for (;;) {
    const [line, size] = /^([0-9a-f]+)(?:;[^\r\n]*)?\r\n/i.exec(text.slice(at, at + 1000)) ?? [];
    const next = at + (line?.length ?? 0) + Number.parseInt(size ?? "0", 16);
    const isLast = next === at + (line?.length ?? 0);
    if (isLast || text.slice(next, next + 2) !== "\r\n") break;
    at = next + 2;
  }
  const last = /0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(at));
  return last === null ? undefined : at + last.index + last[0].length;
}
