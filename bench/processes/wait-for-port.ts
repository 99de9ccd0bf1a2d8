import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Waits until a program accepts connections on a port of loopback; `undefined` if none has when `signal` aborts. */
export async function waitForPort(port: number, signal: AbortSignal): Promise<string | undefined> {
  while (!signal.aborted) {
    if (await accepts(port)) return "";
    await delay(20);
  }
  return undefined;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
