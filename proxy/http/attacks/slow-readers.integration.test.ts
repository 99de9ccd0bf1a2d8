import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { usedBytes } from "../../../mesh/used-bytes-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dataFrame, windowUpdateFrame } from "../../http2/frames/frame-fixture.ts";
import { ERROR_CODE, FRAME, SETTING } from "../../http2/frames/frame-types.ts";
import { listen } from "../../raw-sockets-fixture.ts";
import { dialHttp2, type RawHttp2Client, requestOf } from "../raw-http2-client-fixture.ts";
import { ATTACK_DOORS, type AttackDoor, type OpenDoor } from "./attack-doors-fixture.ts";
import { type Bystander, dialBystander, expectNothingLeft } from "./attack-meter-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const GIGABYTE = 2 ** 30;
const STREAMS = 8;
const UPLOADS = 3;
/** Of one process with clients, sidecars and application: windows and socket buffers, and what the clients remember. */
const MAX_GROWTH_BYTES = 64 * 2 ** 20;
const PIECE = Buffer.alloc(65_536, "x");

interface Application {
  readonly port: number;
  readonly sockets: Set<Socket>;
  /** Content that its system has accepted. */
  readonly written: () => number;
}

/** Responds to GET with a gigabyte, does not read what is posted, and serves the bystander. */
async function startApplication(): Promise<Application> {
  const sockets = new Set<Socket>();
  let written = 0;
  const sendAll = (socket: Socket): void => {
    while (socket.write(PIECE)) written += PIECE.length;
    socket.once("drain", () => sendAll(socket));
  };
  const port = await listen(cleanup, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      const [method, path = ""] = chunk.toString("latin1").split(" ");
      if (path.startsWith("/bystander")) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
      } else if (method === "POST") {
        socket.pause();
      } else {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${GIGABYTE}\r\n\r\n`);
        sendAll(socket);
      }
    });
  });
  return { port, sockets, written: () => written };
}

async function start(door: AttackDoor): Promise<OpenDoor & { application: Application; bystander: Bystander }> {
  const application = await startApplication();
  const open = await door.start(cleanup, application.port, "http");
  const bystander = await dialBystander(cleanup, open.port);
  await bystander.expectServed();
  return { ...open, application, bystander };
}

/** Serves others until this no longer changes. */
async function settle(bystander: Bystander, value: () => number): Promise<number> {
  for (let last = -1, same = 0; same < 10; ) {
    await bystander.expectServed();
    same = value() === last ? same + 1 : 0;
    last = value();
  }
  return value();
}

async function leave(clients: readonly RawHttp2Client[], { application, sides }: Awaited<ReturnType<typeof start>>) {
  for (const { socket } of clients) socket.destroy();
  for (const socket of application.sockets) socket.destroy();
  await expectNothingLeft(sides);
}

const IDS = Array.from({ length: STREAMS }, (_, index) => 2 * index + 1);

/** A client that sends all that the windows allow. */
class Uploader {
  readonly client: RawHttp2Client;
  sent = 0;
  #seenFrames = 0;
  #connection = 65_535;
  #initial = 65_535;
  readonly #streams = new Map<number, number>();

  constructor(client: RawHttp2Client) {
    this.client = client;
  }

  open(ids: readonly number[]): void {
    for (const id of ids) {
      this.client.send(this.client.headers(id, requestOf("/upload", [], "POST"), { ends: false }));
      this.#streams.set(id, 0);
    }
  }

  /** Sends what was granted since. */
  pump(): number {
    for (const { type, flags, streamId, payload } of this.client.frames.slice(this.#seenFrames)) {
      if (type === FRAME.windowUpdate) this.#grant(streamId, payload.readUInt32BE(0));
      if (type !== FRAME.settings || flags !== 0) continue;
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) === SETTING.initialWindowSize) this.#initial = payload.readUInt32BE(at + 2);
      }
    }
    this.#seenFrames = this.client.frames.length;
    for (const [id, used] of this.#streams) {
      this.#send(id, Math.min(this.#initial - used, this.#connection));
    }
    return this.sent;
  }

  #send(id: number, bytes: number): void {
    if (bytes <= 0) return;
    for (let left = bytes; left > 0; left -= 16_384)
      this.client.send(dataFrame(id, PIECE.subarray(0, Math.min(left, 16_384))));
    this.#grant(id, -bytes);
    this.#connection -= bytes;
    this.sent += bytes;
  }

  #grant(streamId: number, bytes: number): void {
    if (streamId === 0) this.#connection += bytes;
    else this.#streams.set(streamId, (this.#streams.get(streamId) ?? 0) - bytes);
  }
}

/** The client's sidecar is the first of two. */
const DOORS = ATTACK_DOORS.filter(({ name }) => name !== "the client's sidecar").map((door) => ({
  name: door.name,
  door,
}));

describe.each(DOORS)("through $name", ({ door }) => {
  it.each([
    { name: "does not read the socket", prepare: (client: RawHttp2Client) => client.socket.pause() },
    { name: "opens no windows", prepare: () => undefined },
  ])("a client that $name makes nobody hold the gigabytes that wait for it", async ({ prepare }) => {
    const path = await start(door);
    const before = usedBytes();
    const client = await dialHttp2(cleanup, path.port, { grantsWindows: false });
    client.send(...IDS.map((id) => client.headers(id, requestOf("/gigabyte"))));
    prepare(client);
    await settle(path.bystander, path.application.written);
    expect(usedBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
    await leave([client, path.bystander.client], path);
  });

  it("an application that does not read makes nobody hold the gigabytes that are sent to it", async () => {
    const path = await start(door);
    const before = usedBytes();
    const uploader = new Uploader(await dialHttp2(cleanup, path.port));
    uploader.open(IDS.slice(0, UPLOADS));
    expect(await settle(path.bystander, () => uploader.pump())).toBeLessThan(GIGABYTE / 4);
    expect(usedBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
    await leave([uploader.client, path.bystander.client], path);
  });

  it("a client that sends more than its windows allow is stopped", async () => {
    const path = await start(door);
    const client = await dialHttp2(cleanup, path.port);
    client.send(client.headers(1, requestOf("/upload", [], "POST"), { ends: false }));
    const frame = dataFrame(1, Buffer.alloc(16_384));
    client.send(...Array.from({ length: 1024 }, () => frame));
    const code = () => client.response(1).resetCode ?? client.goaways[0]?.code;
    await client.until(() => code() !== undefined);
    expect(code()).toBe(ERROR_CODE.flowControlError);
    await path.bystander.expectServed();
    await leave([client, path.bystander.client], path);
  });

  it("a client that opens its window byte by byte is stopped (CVE-2019-9511)", async () => {
    const path = await start(door);
    const settings = [[SETTING.initialWindowSize, 0]] as const;
    const client = await dialHttp2(cleanup, path.port, { grantsWindows: false, settings });
    client.send(client.headers(1, requestOf("/gigabyte")));
    await client.until(() => client.response(1).statuses.length > 0);
    while (!client.isClosed) {
      client.send(windowUpdateFrame(1, 1));
      if (client.frames.length % 100 === 0) await path.bystander.expectServed();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.goaways.map(({ code }) => code)).toEqual([ERROR_CODE.enhanceYourCalm]);
    await leave([client, path.bystander.client], path);
  });

  it("streams without a window hold up no other client, and are forgotten with their connection", async () => {
    const path = await start(door);
    const settings = [[SETTING.initialWindowSize, 0]] as const;
    const clients = await Promise.all(IDS.map(() => dialHttp2(cleanup, path.port, { settings })));
    for (const client of clients) client.send(...IDS.map((id) => client.headers(id, requestOf("/bystander-0"))));
    await Promise.all(
      clients.flatMap((client) => IDS.map((id) => client.until(() => client.response(id).statuses.length > 0))),
    );
    await path.bystander.expectServed();
    await leave([...clients, path.bystander.client], path);
  });
});
