import type { Socket } from "node:net";
import { abortSocket, type Relay } from "./relay.ts";

/** A socket that other code reads and writes, as a relay for the registry: it ends when the socket closes. */
export function relayOfSocket(socket: Socket): Relay {
  let wasCut = false;
  const ended = new Promise<"closed" | "closed_by_proxy">((resolve) => {
    if (socket.destroyed) resolve("closed");
    else socket.once("close", () => resolve(wasCut ? "closed_by_proxy" : "closed"));
  });
  const cut = (): void => {
    wasCut = true;
    abortSocket(socket);
  };
  return { ended, cut };
}
