import type { Socket } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import type { ExecutedRequest } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw } from "../../../net/raw-client-fixture.ts";
import { startTwoSidecars, type TwoSidecars, type TwoSidecarsOptions } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** One request and its response. */
interface Turn {
  /** How many bytes of the request are sent first. */
  readonly split: number;
  /** The client ends its side behind its request, unless the response stalls. */
  readonly halfCloses: boolean;
  readonly framing: "length" | "chunks" | "close";
  /** The head is sent before the content, or with its first part. */
  readonly isHeadAlone: boolean;
  /** The sizes of the parts of the content. */
  readonly parts: readonly number[];
  /** The response has no end: its client leaves. */
  readonly stalls: boolean;
}

const TURN: fc.Arbitrary<Turn> = fc.record({
  split: fc.nat(40),
  halfCloses: fc.boolean(),
  framing: fc.constantFrom("length", "chunks", "close"),
  isHeadAlone: fc.boolean(),
  parts: fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }) }, fc.constant(20_000)), {
    minLength: 1,
    maxLength: 4,
  }),
  stalls: fc.boolean(),
});

/** Clients at once, each with the requests of its connection. */
const CLIENTS = fc.array(fc.array(TURN, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 });

/** Occurs in no head and no framing. */
const CONTENT = "~";
const WAIT = { interval: 2, timeout: 45_000 };

/** Requests that have arrived at the application, by path. */
class Arrivals {
  readonly #waiting = new Map<string, (application: Socket) => void>();
  #count = 0;

  newPath(): { readonly path: string; readonly arrived: Promise<Socket> } {
    this.#count += 1;
    const path = `/${this.#count}`;
    const { promise, resolve } = Promise.withResolvers<Socket>();
    this.#waiting.set(path, resolve);
    return { path, arrived: promise };
  }

  /** Its response is up to the test. */
  note({ line }: ExecutedRequest, application: Socket): undefined {
    this.#waiting.get(line.split(" ")[1] ?? "")?.(application);
  }
}

/** Counts the content that a client has received. */
class Client {
  readonly #socket: Socket;
  #text = "";

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString("latin1");
    });
  }

  /** @returns whether another request may follow on the connection. */
  async take(turn: Turn, arrivals: Arrivals): Promise<boolean> {
    this.#text = "";
    const { path, arrived } = arrivals.newPath();
    await this.#request(path, turn);
    const application = await within(arrived, "the request");
    await this.#receive(turn, application);
    if (!turn.stalls) return !turn.halfCloses && turn.framing !== "close";
    const closed = new Promise((resolve) => application.once("close", resolve));
    this.#socket.resetAndDestroy();
    await within(closed, "the end");
    return false;
  }

  async #request(path: string, { split, halfCloses, stalls }: Turn): Promise<void> {
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    if (split > 0) this.#socket.write(request.slice(0, split));
    await setImmediate();
    this.#socket.write(request.slice(split));
    if (halfCloses && !stalls) this.#socket.end();
  }

  /** Each part must arrive before the next one is sent. */
  async #receive(turn: Turn, application: Socket): Promise<void> {
    const [first = 0, ...others] = turn.parts;
    const head = formatHead(turn);
    if (turn.isHeadAlone) {
      application.write(head);
      await this.#until(() => this.#text.includes("\r\n\r\n"));
    }
    application.write(`${turn.isHeadAlone ? "" : head}${formatPart(first, turn)}`);
    let sent = first;
    await this.#untilContent(sent);
    for (const size of others) {
      application.write(formatPart(size, turn));
      sent += size;
      await this.#untilContent(sent);
    }
    if (turn.stalls) return;
    if (turn.framing === "close") application.end();
    if (turn.framing !== "chunks") return;
    application.write("0\r\n\r\n");
    await this.#until(() => this.#text.endsWith("0\r\n\r\n"));
  }

  async #untilContent(bytes: number): Promise<void> {
    await this.#until(() => this.#text.split(CONTENT).length - 1 === bytes);
  }

  async #until(isTrue: () => boolean): Promise<void> {
    await vi.waitUntil(isTrue, WAIT);
  }
}

/** @param what must arrive at the application. */
async function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const tooLate = sleep(WAIT.timeout, undefined, { ref: false }).then(() => {
    throw new Error(`${what} does not arrive`);
  });
  return await Promise.race([promise, tooLate]);
}

function formatHead({ framing, parts, stalls }: Turn): string {
  const length = parts.reduce((sum, size) => sum + size, stalls ? 1 : 0);
  const fields = { length: `Content-Length: ${length}\r\n`, chunks: "Transfer-Encoding: chunked\r\n", close: "" };
  return `HTTP/1.1 200 OK\r\n${fields[framing]}\r\n`;
}

function formatPart(size: number, { framing }: Turn): string {
  const content = CONTENT.repeat(size);
  return framing === "chunks" ? `${size.toString(16)}\r\n${content}\r\n` : content;
}

async function connect({ port }: TwoSidecars, turns: readonly Turn[], arrivals: Arrivals): Promise<void> {
  const socket = await dialRaw(cleanup, port);
  const client = new Client(socket);
  for (const turn of turns) if (!(await client.take(turn, arrivals))) break;
  socket.destroy();
}

/** As the control plane decides for such ports: an undeclared one gets the version of its client. */
const HOPS: readonly Pick<TwoSidecarsOptions, "hopVersion" | "protocol">[] = [
  { protocol: "http", hopVersion: "1.1" },
  { protocol: "http", hopVersion: "2" },
  { protocol: "http", hopVersion: "adaptive" },
  { protocol: "undeclared", hopVersion: "client" },
];

it.each(HOPS)(
  "each part of a response arrives without waiting for the next, and each client that leaves is noticed ($protocol port, $hopVersion)",
  async (hop) => {
    const arrivals = new Arrivals();
    const world = await startTwoSidecars(cleanup, {
      ...hop,
      reply: (request, socket) => arrivals.note(request, socket),
    });
    await fc.assert(
      fc.asyncProperty(CLIENTS, async (clients) => {
        await Promise.all(clients.map((turns) => connect(world, turns, arrivals)));
      }),
      { numRuns: 20, endOnFailure: true },
    );
    for (const { http } of [world.outbound, world.inbound]) http.closing.abort();
    await expect.poll(() => [world.inbound.registry.size, world.outbound.registry.size], WAIT).toEqual([0, 0]);
  },
  60_000,
);
