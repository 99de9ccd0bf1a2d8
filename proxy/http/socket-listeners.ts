import type { Socket } from "node:net";

/** What an HTTP connection does with the events of its socket. */
export interface SocketListeners {
  readonly data: (chunk: Buffer) => void;
  readonly end: () => void;
  readonly drain: () => void;
  readonly close: () => void;
}

/** Adds them. An error needs no listener of its own, because `close` follows. */
export function addListeners(socket: Socket, { data, end, drain, close }: SocketListeners): void {
  socket.on("data", data);
  socket.on("end", end);
  socket.on("drain", drain);
  socket.on("close", close);
  socket.on("error", ignore);
}

/** Removes them; a later error is still ignored. */
export function removeListeners(socket: Socket, { data, end, drain, close }: SocketListeners): void {
  socket.off("data", data);
  socket.off("end", end);
  socket.off("drain", drain);
  socket.off("close", close);
}

function ignore(): void {}
