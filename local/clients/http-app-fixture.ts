/** For tests: an application that reports each received request, and responds in the ways of typical servers. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { acceptWebSocket } from "./websocket-app-fixture.ts";

/** One request as the application received it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly sha256: string;
}

/** The application's response: a description of the request. */
export type Echo = Pick<Received, "method" | "path" | "version" | "bytes" | "sha256">;

type HttpRequest = IncomingMessage | Http2ServerRequest;
/** The part of HTTP/1.1 and HTTP/2 responses that is used here. */
interface HttpResponse {
  setHeader(name: string, value: string | number): unknown;
  removeHeader(name: string): void;
  write(chunk: string, onWritten: () => void): boolean;
  end(chunk: string): unknown;
}

export type Report = (received: Received) => void;

/** The size of a response to `/large/…`. */
export const LARGE_BYTES = 1_000_000;
/** The size of a response to `/huge/…`: more than the socket buffers on the path. */
const HUGE_BYTES = 2_000_000;

/** Serves HTTP/1.1, and WebSocket on request. */
export function createHttpApp(report: Report): Server {
  const options = { shouldUpgradeCallback: isWebSocket };
  const server = createServer(options, (request, response) => serveRequest(request, response, report));
  server.on("upgrade", (request, socket, head) => {
    report(describe(request, { bytes: 0, sha256: "" }));
    acceptWebSocket(request, socket, head);
  });
  return server;
}

function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

/** Reads a complete request of any HTTP version, and responds as the first part of its path selects. */
export function serveRequest(request: HttpRequest, response: HttpResponse, report: Report): void {
  const hash = createHash("sha256");
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  request.on("end", () => {
    const received = describe(request, { bytes, sha256: hash.digest("hex") });
    report(received);
    respond(received, response);
  });
}

function describe(
  { method = "", url = "", httpVersion, headers }: HttpRequest,
  content: Pick<Received, "bytes" | "sha256">,
): Received {
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  return { method, path: url, version: httpVersion, headers: Object.fromEntries(texts), ...content };
}

function respond(received: Received, response: HttpResponse): void {
  const { method, path, version, bytes, sha256 } = received;
  const text = JSON.stringify({ method, path, version, bytes, sha256 } satisfies Echo);
  const kind = path.split("/")[1];
  if (kind === "until-close") response.removeHeader("transfer-encoding");
  if (kind === "closing") response.setHeader("connection", "close");
  if (kind === "chunked" || kind === "until-close") answerInTwo(text, response);
  else if (kind === "unfinished") answerHalf(text, response);
  else answerWhole(text.padEnd(SIZES[kind ?? ""] ?? 0), response);
}

const SIZES: Readonly<Record<string, number>> = { large: LARGE_BYTES, huge: HUGE_BYTES };

function answerWhole(text: string, response: HttpResponse): void {
  response.setHeader("content-length", text.length);
  response.end(text);
}

/** Never sends the complete content that it declares. */
function answerHalf(text: string, response: HttpResponse): void {
  response.setHeader("content-length", text.length);
  response.write(text.slice(0, 10), () => undefined);
}

function answerInTwo(text: string, response: HttpResponse): void {
  response.write(text.slice(0, 10), () => response.end(text.slice(10)));
}
