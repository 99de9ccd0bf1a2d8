import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "./cleanup-fixture.ts";
import { connectTcp } from "./connect-tcp.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** The process gets no processor. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it("a connection that the kernel made in time counts, although the process had no processor until it was over", async () => {
  const server = createServer((socket) => cleanup.addSocket(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const connected = connectTcp({ ip: "127.0.0.1", port: address.port }, { clock: systemClock, timeoutMs: 20 });
  // Behind the system call, which Node makes in the next tick.
  process.nextTick(standStill, 100);
  const result = await connected;
  expect(result).toMatchObject({ kind: "socket" });
  if (result.kind === "socket") cleanup.addSocket(result.socket);
});
