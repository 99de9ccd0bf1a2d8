import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { HpackDecoder } from "../hpack/hpack-decoder.ts";
import { frameOf } from "./run-wire-case-fixture.ts";
import { data, fields, type WireCase } from "./wire-case-fixture.ts";
import { TYPE } from "./wire-frames-fixture.ts";
import { acceptWireServer } from "./wire-peer-fixture.ts";

/** The target for which the origin sends the case; all others have a sound response. */
export const ATTACK_PATH = "/attack";

const SOUND = [fields([[":status", "200"]], "goes on"), data("sound")];

/** A server on loopback, HTTP/2 by prior knowledge, that sends its responses frame by frame, legal or not. */
export interface WireOrigin {
  readonly port: number;
  /** From now on it sends this case. */
  attackWith(testCase: WireCase): void;
  /** Ends its connections, as when it restarts. */
  destroyConnections(): void;
  close(): void;
}

/** @param testCase by default every response is sound. */
export async function startWireOrigin(testCase?: WireCase): Promise<WireOrigin> {
  let attack = testCase?.parts ?? SOUND;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    void serveWire(socket, () => attack);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const destroyConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    attackWith: ({ parts }) => {
      attack = parts;
    },
    destroyConnections,
    close: () => {
      server.close();
      destroyConnections();
    },
  };
}

async function serveWire(socket: Socket, attack: () => WireCase["parts"]): Promise<void> {
  const peer = acceptWireServer(socket);
  const decoder = new HpackDecoder();
  for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
    if (frame.type !== TYPE.headers) continue;
    const request = decoder.decode(frame.payload);
    if (request.kind !== "fields") throw new Error(request.message);
    const isAttack = request.values[request.names.indexOf(":path")] === ATTACK_PATH;
    const { streamId } = frame;
    peer.send(...(isAttack ? attack() : SOUND).map((part) => frameOf(streamId, part)));
  }
}
