import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "./cleanup-fixture.ts";
import { listen } from "./listen.ts";
import { dialRaw } from "./raw-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("a listener that cannot accept because no descriptor is left", () => {
  it("keeps listening, and reports a flood of errors once", async () => {
    const server = createServer((socket) => socket.end("served"));
    cleanup.add(() => server.close());
    const reports: string[] = [];
    const port = await listen(server, {
      port: 0,
      host: "127.0.0.1",
      onError: ({ message }) => void reports.push(message),
    });
    for (let failure = 0; failure < 1000; failure += 1) server.emit("error", new Error("accept EMFILE"));
    expect(reports).toEqual(["accept EMFILE"]);
    const client = await dialRaw(cleanup, port);
    const [served] = await new Promise<[Buffer]>((resolve) => client.once("data", (chunk) => resolve([chunk])));
    expect(String(served)).toBe("served");
  });
});
