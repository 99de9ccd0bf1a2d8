import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { OK_REPLY, startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../net/raw-client-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { meshDestination } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** An application behind a sidecar that will drain, and a client's sidecar in front of it. */
async function startPod(reply = OK_REPLY) {
  const application = await startLenientUpstream(cleanup, reply);
  const inbound = await startInboundSide(cleanup, {
    mode: "PERMISSIVE",
    applicationPort: application.port,
    protocol: "http",
  });
  const destination = meshDestination([inbound.port], { overrides: { protocol: "http" } });
  const outbound = await startOutboundSide(cleanup, { destination });
  return { application, inbound, outbound };
}

describe("a pod that drains", () => {
  it("serves new connections, and asks each client without a sidecar to leave", async () => {
    const { inbound } = await startPod();
    const kept = await dialRaw(cleanup, inbound.port);
    kept.write(GET);
    expect(await readUntil(kept, "served GET /a")).not.toContain("connection: close");
    inbound.http.draining.abort();
    kept.write(GET);
    expect(await readUntilClosed(kept)).toMatch(/ 200 OK.*connection: close.*served GET \/a/s);
    expect(await sendRaw(cleanup, inbound.port, GET)).toMatch(/ 200 OK.*connection: close.*served GET \/a/s);
  });

  it("does not end the connections of the clients' own applications: their sidecars connect again", async () => {
    const { application, inbound, outbound } = await startPod();
    const client = await dialRaw(cleanup, outbound.port);
    client.write(GET);
    await readUntil(client, "served GET /a");
    inbound.http.draining.abort();
    for (let turn = 0; turn < 5; turn += 1) {
      client.write(GET);
      expect(await readUntil(client, "served GET /a")).not.toContain("connection: close");
    }
    client.write(LAST);
    expect(await readUntilClosed(client)).toContain("served GET /last");
    expect(application.executed).toHaveLength(7);
    expect(outbound.http.counted.map(({ status }) => status)).toEqual(Array(7).fill(200));
  });

  it("finishes a response that it has begun, also after it has stopped accepting", async () => {
    let stream: Socket | undefined;
    const { inbound, outbound } = await startPod((_request, socket) => {
      stream = socket;
      return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    });
    const client = await dialRaw(cleanup, outbound.port);
    client.write(GET);
    await readUntil(client, "first");
    inbound.http.draining.abort();
    inbound.http.closing.abort();
    const rest = readUntil(client, "\r\n0\r\n\r\n");
    for (const piece of ["second", "third"]) {
      stream?.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      await once(client, "data");
    }
    stream?.write("0\r\n\r\n");
    expect(await rest).toMatch(/second\r\n5\r\nthird\r\n0\r\n\r\n$/);
    await expect.poll(() => inbound.registry.size).toBe(0);
  });

  it("closes what is idle once it has stopped accepting", async () => {
    const { inbound } = await startPod();
    const idle = await dialRaw(cleanup, inbound.port);
    idle.write(GET);
    await readUntil(idle, "served GET /a");
    inbound.http.draining.abort();
    inbound.http.closing.abort();
    expect(await readUntilClosed(idle)).toBe("");
    await expect.poll(() => inbound.registry.size).toBe(0);
  });
});

/** POSTs on kept connections, which no sidecar repeats, until told to stop. */
function startPosts(port: number) {
  const agent = new Agent({ keepAlive: true });
  const failures: string[] = [];
  let succeeded = 0;
  let isOver = false;
  const post = async (): Promise<void> => {
    const outgoing = request({ host: "127.0.0.1", port, agent, method: "POST", headers: { "content-length": 1 } });
    outgoing.end("x");
    const [response]: IncomingMessage[] = await once(outgoing, "response");
    response?.resume();
    if (response?.statusCode === 200) succeeded += 1;
    else failures.push(String(response?.statusCode));
  };
  const client = async (): Promise<void> => {
    while (!isOver) {
      await post().catch((error: unknown) => failures.push(String(error)));
      await sleep(2);
    }
  };
  const clients = Array.from({ length: 16 }, client);
  return {
    failures,
    untilSucceeded: (count: number) => expect.poll(() => succeeded).toBeGreaterThan(count),
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}

describe("a client's sidecar", () => {
  it("prefers other pods to one that asks its clients to leave, before the control plane withdraws it", async () => {
    const application = await startLenientUpstream(cleanup);
    const options = { mode: "STRICT", applicationPort: application.port, protocol: "http" } as const;
    const ending = await startInboundSide(cleanup, options);
    const other = await startInboundSide(cleanup, options);
    const destination = meshDestination([ending.port, other.port], { overrides: { protocol: "http" } });
    // It is avoided for a while only, which must not pass meanwhile.
    const clock = new FakeClock(Date.now());
    const outbound = await startOutboundSide(cleanup, { destination, clock });
    const client = await dialRaw(cleanup, outbound.port);
    const send = async (): Promise<void> => {
      client.write(GET);
      await readUntil(client, "served GET /a");
    };
    await send();
    await send();
    const counts = () => [ending.http.counted.length, other.http.counted.length];
    expect(counts()).toEqual([2, 0]);
    ending.http.draining.abort();
    for (let turn = 0; turn < 10; turn += 1) await send();
    // The end of the first connection may be due to a new certificate; that of the next one is not.
    expect(counts()).toEqual([4, 8]);
  });

  it("loses no POST on the way from a pod that ends to the one that replaces it", async () => {
    const application = await startLenientUpstream(cleanup);
    const options = { mode: "STRICT", applicationPort: application.port, protocol: "http" } as const;
    const ending = await startInboundSide(cleanup, options);
    const next = await startInboundSide(cleanup, options);
    const http = { overrides: { protocol: "http" } } as const;
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([ending.port, next.port], http) });
    const posts = startPosts(outbound.port);
    await posts.untilSucceeded(200);
    ending.http.draining.abort();
    await posts.untilSucceeded(400);
    outbound.setDestination(meshDestination([next.port], http));
    ending.http.closing.abort();
    await posts.untilSucceeded(600);
    await expect.poll(() => ending.registry.size).toBe(0);
    await posts.stop();
    expect(posts.failures).toEqual([]);
    expect(ending.http.counted.length).toBeGreaterThan(0);
  });
});
