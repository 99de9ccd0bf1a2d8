import type { Socket } from "node:net";
import { abortSocket, type Relay } from "./relay.ts";

/** A connection that somebody else reads and writes, for the registry: it is over when its socket is. */
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
