import { type ClientRequest, type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type HttpProxy from "http-proxy";
import { foldHeaderOperations } from "../../../mesh/policy/routing/header-operations.ts";
import type { HeaderOperations } from "../../../mesh/policy/routing/http-route.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import { type GatewayReply, replyFromError, writeReply } from "../gateway-reply.ts";
import { captureRequest, type Forwarding, headersForProxy, targetOf } from "./captured-request.ts";
import { answerHeaders, relayResponse } from "./relay-response.ts";
import { editHeaders } from "./upstream-headers.ts";

export interface UpgradeForwarding extends Forwarding {
  /** The client's connection, detached from Node's server. */
  readonly socket: Socket;
  /** What the client sent after its request. It goes to the upstream after the 101, not before (CVE-2026-2833). */
  readonly head: Buffer;
  readonly onRequest: (outgoing: ClientRequest) => void;
  readonly onSwitched: () => void;
  /** The upstream responded with something other than 101. */
  readonly onResponse: (status: number) => void;
  readonly onFailure: (reply: GatewayReply, error: Error) => void;
}

/** How long one direction may stay open after the other has ended. */
const HALF_OPEN_MS = 60_000;

/** Sends an upgrade request through http-proxy, and joins both connections once the upstream has accepted. */
export function forwardUpgrade(proxy: HttpProxy, forwarding: UpgradeForwarding): void {
  const { request, socket, head, headers, target, operations } = forwarding;
  let hasResponse = false;
  request.headers = headersForProxy(editHeaders(headers, foldHeaderOperations(operations, "request")));
  const capturing = captureRequest(forwarding, (outgoing) => {
    forwarding.onRequest(outgoing);
    const stopWatching = watchDisconnect(socket, () => {
      outgoing.destroy();
      socket.destroy();
    });
    outgoing.once("close", stopWatching);
    // Before http-proxy's own listener: a watched socket would not be read after its response.
    outgoing.once("error", stopWatching);
    outgoing.once("upgrade", (incoming, upstream) => {
      hasResponse = true;
      editSwitch(incoming, operations);
      stopWatching();
      joinEnds(socket, upstream);
      forwarding.onSwitched();
    });
    // http-proxy adds its own listener right after this; the last one runs after that one has seen the flag.
    queueMicrotask(() => outgoing.once("response", showAgain));
    outgoing.once("response", (incoming) => {
      hasResponse = true;
      stopWatching();
      hideFromHttpProxy(incoming);
      forwarding.onResponse(incoming.statusCode ?? 502);
      relayRefusal(incoming, forwarding);
    });
  });
  proxy.ws(request, socket, head, { target: targetOf(target), agent: capturing }, (error) => {
    if (hasResponse) return;
    hasResponse = true;
    forwarding.onFailure(replyFromError(error), error);
  });
}

/**
 * Reports that a client disconnected before the response. Its socket is paused in that time, and an unread FIN is not
 * noticed; early bytes stay in the socket, for the tunnel.
 */
function watchDisconnect(socket: Socket, onDisconnect: () => void): () => void {
  const onReadable = (): void => {
    if (socket.readableLength === 0) socket.read();
  };
  socket.on("readable", onReadable);
  socket.once("end", onDisconnect);
  socket.once("close", onDisconnect);
  return () => {
    socket.off("readable", onReadable);
    socket.off("end", onDisconnect);
    socket.off("close", onDisconnect);
  };
}

/** Sends a local reply on a connection that Node has detached, and closes it. */
export function writeReplyToSocket(request: IncomingMessage, socket: Socket, reply: LocalReply): void {
  const response = createResponse(request, socket);
  writeReply(response, reply, true);
}

/**
 * http-proxy would write this response's body without its framing; the flag makes it ignore the response. It must be
 * reset within the same event, because Node checks it next and would assume an upgrade.
 */
function hideFromHttpProxy(incoming: IncomingMessage): void {
  Reflect.set(incoming, "upgrade", true);
}

function showAgain(incoming: IncomingMessage): void {
  Reflect.set(incoming, "upgrade", false);
}

/** http-proxy writes the 101 from these headers, right after this. */
function editSwitch(incoming: IncomingMessage, operations: readonly HeaderOperations[]): void {
  const { connection, upgrade } = incoming.headers;
  incoming.headers = { ...answerHeaders(incoming, operations), connection, upgrade };
}

function relayRefusal(incoming: IncomingMessage, forwarding: UpgradeForwarding): void {
  const { request, socket, operations, record } = forwarding;
  socket.once("close", () => incoming.destroy());
  const response = createResponse(request, socket);
  response.once("close", () => {
    if (!response.writableFinished) socket.destroy();
  });
  relayResponse(incoming, response, { isLast: true, operations, onBroken: () => record.endsWith("UC") });
}

function createResponse(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  response.once("finish", () => {
    response.detachSocket(socket);
    socket.end();
    socket.setTimeout(HALF_OPEN_MS, () => socket.destroy());
    socket.resume();
  });
  return response;
}

/** http-proxy pipes in both directions, but when one side vanishes without a FIN it leaves the other open. */
function joinEnds(client: Socket, upstream: Duplex): void {
  client.once("close", () => upstream.destroy());
  upstream.once("close", () => {
    if (!upstream.readableEnded) client.destroy();
  });
  const limitRest = (): void => void client.setTimeout(HALF_OPEN_MS, () => client.destroy());
  client.once("end", limitRest);
  upstream.once("end", limitRest);
}
