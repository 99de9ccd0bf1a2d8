import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { listen } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { HOP_VERSIONS } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** More than the windows of a stream and the buffers of its sockets in this direction, so that pauses reach the source. */
const BODY_BYTES = 6_000_000;
const CLIENTS = 4;

/** The same numbers in [0, 1) for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function bodyOf(seed: number): Buffer {
  const random = createRandom(seed);
  const block = Buffer.from(Array.from({ length: 9973 }, () => Math.floor(random() * 256)));
  return Buffer.alloc(BODY_BYTES, block);
}

/** Hands on what it reads, and stops reading now and then. */
async function carry(from: Readable, to: Writable | undefined, random: () => number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of from) {
    pieces.push(piece);
    if (to?.write(piece) === false) await once(to, "drain");
    if (random() < 0.02) await sleep(random() * 30);
  }
  to?.end();
  return Buffer.concat(pieces);
}

/** Sends a body, in pieces of any size, and reads it back from the echo. */
async function exchange(port: number, seed: number): Promise<boolean> {
  const body = bodyOf(seed);
  const random = createRandom(seed + 1000);
  const sent = request({ port, host: "127.0.0.1", method: "POST", agent: false, headers: { host: "a" } });
  const responded = once(sent, "response");
  const send = async (): Promise<void> => {
    for (let at = 0; at < body.length; ) {
      const size = Math.ceil(random() * 100_000);
      if (!sent.write(body.subarray(at, at + size))) await once(sent, "drain");
      at += size;
      if (random() < 0.02) await sleep(random() * 30);
    }
    sent.end();
  };
  const receive = async (): Promise<Buffer> => {
    const [response]: IncomingMessage[] = await responded;
    if (response === undefined) throw new Error("no response");
    return await carry(response, undefined, random);
  };
  const [, received] = await Promise.all([send(), receive()]);
  return received.equals(body);
}

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars", (httpVersion) => {
  it.each([1, 2])("peers that pause at any time get every byte, in both directions at once (seed %d)", async (seed) => {
    const random = createRandom(seed);
    const server = createServer((incoming, response) => void carry(incoming, response, random));
    cleanup.add(() => server.closeAllConnections());
    const applicationPort = await listen(cleanup, server);
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, protocol: "http" });
    const overrides = { protocol: "http", connectionPool: { httpVersion } } as const;
    const { port } = await startOutboundSide(cleanup, {
      destination: meshDestination([inbound.port], { overrides }),
    });
    const exchanges = Array.from({ length: CLIENTS }, (_, client) => exchange(port, 10 * seed + client));
    expect(await Promise.all(exchanges)).toEqual(Array(CLIENTS).fill(true));
  });
});
