/** Helpers for tests of streams. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Records what a listener received, and waits for more. */
export class Heard<Value> {
  readonly values: Value[] = [];
  readonly #waiting = new Set<() => void>();

  readonly listener = (value: Value): void => {
    this.values.push(value);
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  };

  /** Resolves once some value, past or future, fulfils the condition. */
  async until(condition: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      const found = this.values.find(condition);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }
}

/** Relays bytes to a server, until it is frozen: then it relays none and closes nothing. */
export async function startRelay(
  target: string,
): Promise<{ address: string; freeze(): void; thaw(): void; close(): void }> {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const server = createServer((downstream) => {
    const upstream = connect({ host: "localhost", port: Number(target.split(":")[1]) });
    for (const [from, to] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.on("data", (chunk) => {
        if (!isFrozen) to.write(chunk);
      });
    }
  });
  server.listen(0, "localhost");
  await once(server, "listening");
  return {
    address: `localhost:${portOf(server)}`,
    freeze: () => {
      isFrozen = true;
    },
    thaw: () => {
      isFrozen = false;
      for (const socket of sockets) socket.destroy();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
