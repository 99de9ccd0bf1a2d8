import type { ServerHttp2Stream } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { listenUpstream, startHttp2Server } from "./http2-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function post(index: number): string {
  return `POST /${index} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx`;
}

/** How many requests at once, and what a server allows on one connection. */
const CASES = [
  { requests: 30, maxConcurrentStreams: 1 },
  { requests: 100, maxConcurrentStreams: 1 },
  { requests: 100, maxConcurrentStreams: 10 },
];

describe("a server that takes few streams on a connection", () => {
  it.each(CASES)(
    "serves $requests requests that come at once, none twice: $maxConcurrentStreams a connection",
    async ({ requests, maxConcurrentStreams }) => {
      const served: string[] = [];
      const onStream = async (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>): Promise<void> => {
        served.push(String(headers[":path"]));
        await sleep(5);
        stream.respond({ ":status": 200 }, { endStream: true });
      };
      const server = await startHttp2Server(cleanup, { onStream, settings: { maxConcurrentStreams } });
      const overrides = { protocol: "http", connectionPool: { httpVersion: "2" } } as const;
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([server.port], { overrides }) });
      const answers = await Promise.all(Array.from({ length: requests }, (_, at) => sendRaw(cleanup, port, post(at))));
      const statuses = answers.map((answer) => answer.slice(0, 12));
      expect(statuses).toEqual(Array(requests).fill("HTTP/1.1 200"));
      expect(new Set(served).size).toBe(served.length);
    },
  );
});

it("a server that closes each connection before its SETTINGS gets no request, and its client the reason", async () => {
  const port = await listenUpstream(cleanup, ["istio-h2"], (socket) => void socket.destroy());
  const overrides = { protocol: "http", connectionPool: { httpVersion: "2" } } as const;
  const side = await startOutboundSide(cleanup, { destination: meshDestination([port], { overrides }) });
  expect(await sendRaw(cleanup, side.port, post(1))).toMatch(
    /^HTTP\/1\.1 503 .*closed its connection before its SETTINGS/s,
  );
  expect(side.http.counted).toMatchObject([{ status: 503, flags: "UF" }]);
});
