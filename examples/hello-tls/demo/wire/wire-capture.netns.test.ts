import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pollUntil } from "../poll-until.ts";
import { assembleStreams, parsePcap } from "./pcap-reader.ts";
import { startWireCapture } from "./wire-capture.ts";
import { readWire } from "./wire-reading.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "entente-capture-"));
});

afterAll(() => rm(folder, { recursive: true }));

describe("a capture", () => {
  it("holds plaintext whole and in order", async () => {
    const server = createServer((socket) => socket.end("the answer"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const { signal } = new AbortController();
    const file = join(folder, "loopback.pcap");
    const capture = await startWireCapture({ interfaceName: "lo", filter: `tcp port ${port}`, file, signal });

    const client = connect(port ?? 0, "127.0.0.1");
    client.write("GET /marked\r\n");
    client.resume();
    await once(client, "close");
    await pollUntil(
      () => capture.read(),
      (bytes) => bytes.includes("the answer"),
      { everyMs: 20, timeoutMs: 5000, signal },
    );
    const streams = assembleStreams(parsePcap(await capture.stop()));
    server.close();

    expect(streams.map(({ bytes, isWhole }) => [bytes.toString(), isWhole])).toEqual([
      ["GET /marked\r\n", true],
      ["the answer", true],
    ]);
    expect(readWire(streams, ["GET"]).firstLine).toBe("GET /marked");
  });

  it("says why it cannot start", async () => {
    const { signal } = new AbortController();
    const options = { interfaceName: "no-such-link", filter: "tcp", file: join(folder, "none.pcap"), signal };
    await expect(startWireCapture(options)).rejects.toThrow(/no-such-link/);
  });
});
