import { once } from "node:events";
import { connect } from "node:net";
import { Http2ClientConnection } from "../connection/http2-client-connection.ts";
import type { Http2Event } from "../connection/http2-events.ts";
import type { Http2ResponseHead } from "../message-head.ts";
import type { StreamEnd, WireOutcome } from "./run-wire-case-fixture.ts";
import { AUTHORITY } from "./wire-case-fixture.ts";
import { ATTACK_PATH } from "./wire-origin-fixture.ts";

/** One request's response, as far as it was received. */
interface Exchange {
  status: string;
  body: string;
  end: StreamEnd;
}

/** Sends two requests with our engine on one connection, one of which the origin attacks; returns how they ended. */
export async function requestWithEngine(port: number): Promise<WireOutcome> {
  const socket = connect(port, "127.0.0.1");
  const connection = new Http2ClientConnection<Exchange>({ nowMs: performance.now() });
  const [attack, neighbour] = [ATTACK_PATH, "/neighbour"].map((path) => openExchange(connection, path));
  let goaway: number | undefined;
  const flush = (): void => {
    while (connection.hasOutput) for (const bytes of connection.takeOutput()) socket.write(bytes);
  };
  await once(socket, "connect");
  flush();
  await new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      for (const event of connection.receive(chunk, performance.now())) {
        if (event.kind === "failed") goaway = event.code;
        recordEvent(connection, event);
      }
      flush();
      if (attack?.end.kind !== "none" && neighbour?.end.kind !== "none") resolve();
    });
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
  });
  socket.destroy();
  return { attack: attack?.end ?? { kind: "none" }, neighbour: neighbour?.end ?? { kind: "none" }, goaway };
}

function openExchange(connection: Http2ClientConnection<Exchange>, path: string): Exchange {
  const exchange: Exchange = { status: "", body: "", end: { kind: "none" } };
  const request = { method: "GET", scheme: "http", authority: AUTHORITY, path, fields: { writeTo: () => undefined } };
  if (connection.request(request, true, exchange) === undefined) throw new Error("no capacity");
  return exchange;
}

function recordEvent(
  connection: Http2ClientConnection<Exchange>,
  event: Http2Event<Http2ResponseHead, Exchange>,
): void {
  if (!("stream" in event) || event.stream.context === undefined) return;
  const exchange = event.stream.context;
  if (event.kind === "head") exchange.status = String(event.head.status);
  if (event.kind === "data") {
    exchange.body += event.bytes.toString("latin1");
    connection.consume(event.stream, event.bytes.length);
  }
  if (event.kind === "reset") exchange.end = { kind: "reset", code: event.code };
  const isEnd = event.kind === "trailers" || ((event.kind === "head" || event.kind === "data") && event.endsStream);
  if (isEnd) exchange.end = { kind: "response", status: exchange.status, body: exchange.body };
  if (exchange.end.kind !== "none") connection.release(event.stream);
}
