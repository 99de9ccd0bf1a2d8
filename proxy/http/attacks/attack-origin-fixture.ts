/** For tests: applications that execute whatever reaches them, and respond with what they understood. */
import type { Socket } from "node:net";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type ExecutedRequest, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import type { EchoedRequest } from "../../http2/conformance/judge-wire-case-fixture.ts";
import { frameOf } from "../../http2/conformance/run-wire-case-fixture.ts";
import { data, type FieldPair, fields } from "../../http2/conformance/wire-case-fixture.ts";
import { END_STREAM, TYPE, wireFrame } from "../../http2/conformance/wire-frames-fixture.ts";
import { acceptWireServer, type WirePeer } from "../../http2/conformance/wire-peer-fixture.ts";
import type { DecodedBlock } from "../../http2/hpack/decoded-block.ts";
import { HpackDecoder } from "../../http2/hpack/hpack-decoder.ts";
import { listen } from "../../raw-sockets-fixture.ts";

export interface AttackOrigin {
  readonly port: number;
  /** All requests that it executed, over all connections. */
  readonly executed: readonly EchoedRequest[];
  /** Ends its connections, as when it restarts. */
  destroyConnections(): void;
}

/** An application of HTTP/1.1 that trusts the first framing that it finds. */
export async function startHttp1Origin(cleanup: Cleanup): Promise<AttackOrigin> {
  const executed: EchoedRequest[] = [];
  const upstream = await startLenientUpstream(cleanup, (request) => {
    const echoed = readRequest(request);
    executed.push(echoed);
    const body = Buffer.from(JSON.stringify(echoed)).toString("latin1");
    const content = echoed.method === "HEAD" ? "" : body;
    return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${content}`;
  });
  return { port: upstream.port, executed, destroyConnections: () => upstream.destroyConnections() };
}

function readRequest({ line, head, body }: ExecutedRequest): EchoedRequest {
  const [method = "", path = ""] = line.split(" ");
  const fields = head
    .split("\r\n")
    .slice(1)
    .map((field): FieldPair => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    });
  const isChunked = fields.some(([name]) => name === "transfer-encoding");
  return {
    ...{ method, path },
    authority: fields.find(([name]) => name === "host")?.[1] ?? "",
    fields: fields.filter(([name]) => name !== "host"),
    body: isChunked ? joinChunks(body) : body,
  };
}

function joinChunks(text: string): string {
  let content = "";
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (lineEnd === -1 || !(size > 0)) return content;
    content += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

/**
 * An application of HTTP/2 with prior knowledge that checks nothing: it executes a request at its end or, if that comes
 * first, at the end of its declared content, and takes any field of any name, in trailers too.
 */
export async function startHttp2Origin(cleanup: Cleanup): Promise<AttackOrigin> {
  const executed: EchoedRequest[] = [];
  const sockets = new Set<Socket>();
  const port = await listen(cleanup, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("end", () => socket.end());
    void serveHttp2(socket, executed);
  });
  const destroyConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return { port, executed, destroyConnections };
}

/** A request whose end has not come. */
interface OpenRequest {
  readonly fields: FieldPair[];
  body: string;
}

async function serveHttp2(socket: Socket, executed: EchoedRequest[]): Promise<void> {
  const peer = acceptWireServer(socket);
  const decoder = new HpackDecoder();
  const open = new Map<number, OpenRequest>();
  for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
    const { type, flags, streamId, payload } = frame;
    if (type === TYPE.headers) addFields(open, streamId, decoder.decode(payload));
    if (type === TYPE.reset) open.delete(streamId);
    const request = open.get(streamId);
    if (request === undefined) continue;
    if (type === TYPE.data) {
      request.body += payload.toString("latin1");
      if (payload.length > 0) openWindows(peer, streamId, payload.length);
    }
    if ((flags & END_STREAM) === 0 && !hasDeclaredContent(request)) continue;
    open.delete(streamId);
    const echoed = readFields(request);
    executed.push(echoed);
    peer.send(...respond(streamId, echoed));
  }
}

function addFields(open: Map<number, OpenRequest>, streamId: number, block: DecodedBlock): void {
  if (block.kind !== "fields") throw new Error(block.message);
  const request = open.get(streamId) ?? { fields: [], body: "" };
  request.fields.push(...block.names.map((name, at): FieldPair => [name, block.values[at] ?? ""]));
  open.set(streamId, request);
}

function hasDeclaredContent({ fields: list, body }: OpenRequest): boolean {
  const declared = list.find(([name]) => name === "content-length")?.[1];
  return declared !== undefined && Number(declared) <= body.length;
}

function readFields({ fields: list, body }: OpenRequest): EchoedRequest {
  const pseudoField = (wanted: string): string => list.find(([name]) => name === wanted)?.[1] ?? "";
  return {
    ...{ method: pseudoField(":method"), path: pseudoField(":path"), body },
    authority: pseudoField(":authority") || pseudoField("host"),
    fields: list.filter(([name]) => !name.startsWith(":") && name !== "host"),
  };
}

function respond(streamId: number, echoed: EchoedRequest): readonly Buffer[] {
  const head: FieldPair[] = [
    [":status", "200"],
    ["content-type", "application/json"],
  ];
  const body = data(Buffer.from(JSON.stringify(echoed)).toString("latin1"));
  const parts = echoed.method === "HEAD" ? [fields(head)] : [fields(head, "goes on"), body];
  return parts.map((part) => frameOf(streamId, part));
}

function openWindows(peer: WirePeer, streamId: number, bytes: number): void {
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(bytes);
  for (const id of [0, streamId]) peer.send(wireFrame(WINDOW_UPDATE, 0, id, increment));
}

const WINDOW_UPDATE = 8;
