import type { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { settingsFrame } from "../../http2/frames/frame-fixture.ts";
import { CLIENT_PREFACE } from "../../http2/frames/frame-types.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO } from "../../mesh-identities-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";
import { RawHttp2Client, requestOf } from "../raw-http2-client-fixture.ts";
import { ATTACK_DOORS } from "./attack-doors-fixture.ts";
import { type Bystander, dialBystander } from "./attack-meter-fixture.ts";
import { type AttackOrigin, startHttp1Origin, startHttp2Origin } from "./attack-origin-fixture.ts";
import { dialMesh, startMeshTunnel } from "./mesh-tunnel-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

type Port = DeclaredProtocol | undefined;

const IDENTITY = "x-forwarded-client-cert";
const HTTP1 = `GET /http1 HTTP/1.1\r\nHost: a\r\n${IDENTITY}: URI=forged\r\n\r\n`;

function startOrigin(protocol: Port): Promise<AttackOrigin> {
  return protocol === "http" ? startHttp1Origin(cleanup) : startHttp2Origin(cleanup);
}

/** All that a client of HTTP/2 sends for one request, which claims an identity. */
function http2Bytes(client: RawHttp2Client, path = "/http2"): Buffer {
  return Buffer.concat([
    CLIENT_PREFACE,
    settingsFrame(),
    client.headers(1, requestOf(path, [[IDENTITY, "URI=forged"]])),
  ]);
}

function piecesOf(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const ends = [...new Set(cuts), bytes.length].sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}

/**
 * Clients that send their requests in pieces, side by side. The sidecar has read each piece before the next is sent,
 * because it has served another request since. @param splits where each client cuts.
 */
async function sendInPieces(port: number, splits: readonly (readonly number[])[], bystander: Bystander) {
  const senders = await Promise.all(
    splits.map(async (cuts) => {
      const client = new RawHttp2Client(await dialRaw(cleanup, port));
      client.socket.setNoDelay(true);
      return { client, pieces: piecesOf(http2Bytes(client), cuts) };
    }),
  );
  const rounds = Math.max(...senders.map(({ pieces }) => pieces.length));
  for (let round = 0; round < rounds; round += 1) {
    if (round > 0) await bystander.expectServed();
    for (const { client, pieces } of senders) client.send(...pieces.slice(round, round + 1));
  }
  const responses = await Promise.all(senders.map(({ client }) => client.ended(1)));
  for (const { client } of senders) client.socket.destroy();
  return responses;
}

const PORTS: readonly Port[] = ["http", "http2", undefined];

describe.each(ATTACK_DOORS.map((door) => ({ name: door.name, door })))("HTTP/2 through $name", ({ door }) => {
  it.each(PORTS)("is recognised however its bytes are split, on a port declared %s", async (protocol) => {
    const origin = await startOrigin(protocol);
    const { port } = await door.start(cleanup, origin.port, protocol);
    const bystander = await dialBystander(cleanup, port);
    const expectServed = async (splits: readonly (readonly number[])[]): Promise<void> => {
      const before = origin.executed.length;
      const responses = await sendInPieces(port, splits, bystander);
      expect(responses.map(({ statuses }) => statuses)).toEqual(splits.map(() => ["200"]));
      const executed = origin.executed.slice(before);
      expect(executed.filter(({ path }) => path === "/http2")).toHaveLength(splits.length);
      expect(JSON.stringify(executed)).not.toContain("forged");
    };
    // Behind the preface the client would acknowledge the server's SETTINGS between its own frames.
    const last = CLIENT_PREFACE.length - 1;
    await expectServed(Array.from({ length: last }, (_, index) => [index + 1]));
    const cuts = fc.array(fc.integer({ min: 1, max: last }), { minLength: 2, maxLength: 6 });
    await fc.assert(fc.asyncProperty(fc.array(cuts, { minLength: 10, maxLength: 10 }), expectServed), { numRuns: 1 });
  });
});

const FORGED_HTTP2 = http2Bytes(new RawHttp2Client(await dialUnused()), "/hidden").toString("latin1");

/** A socket for a client that only makes bytes. */
async function dialUnused(): Promise<Socket> {
  const port = await listen(cleanup, () => undefined);
  return await dialRaw(cleanup, port);
}

const PREFACE = CLIENT_PREFACE.toString("latin1");
const HIDDEN = HTTP1.replace("/http1", "/hidden");
const UPGRADE = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";

describe.each(PORTS)("on a port declared %s", (protocol) => {
  it.each([
    { name: "HTTP/2 behind a request of HTTP/1.1", bytes: HTTP1 + FORGED_HTTP2, executed: ["/http1"] },
    {
      name: "HTTP/2 behind an upgrade to h2c",
      bytes: HTTP1.replace(/\r\n$/, UPGRADE) + FORGED_HTTP2,
      executed: ["/http1"],
    },
    { name: "HTTP/2 behind an empty line", bytes: `\r\n${FORGED_HTTP2}`, executed: [] },
    { name: "HTTP/1.1 behind the preface", bytes: PREFACE + HIDDEN, executed: [] },
    { name: "HTTP/1.1 behind the first line of the preface", bytes: PREFACE.slice(0, 16) + HIDDEN, executed: [] },
    { name: "HTTP/1.1 behind the first lines of the preface", bytes: PREFACE.slice(0, 18) + HIDDEN, executed: [] },
    { name: "HTTP/1.1 behind a preface that ends otherwise", bytes: `${PREFACE.slice(0, -1)}X${HIDDEN}`, executed: [] },
    { name: "the preface twice", bytes: PREFACE + FORGED_HTTP2, executed: [] },
    { name: "a preface with another version", bytes: FORGED_HTTP2.replace("HTTP/2.0", "HTTP/1.1"), executed: [] },
    { name: "a preface in lower case", bytes: FORGED_HTTP2.replace("PRI", "pri"), executed: [] },
    { name: "half a preface", bytes: PREFACE.slice(0, 12), executed: [] },
    { name: "a preface alone", bytes: PREFACE, executed: [] },
    { name: "nothing", bytes: "", executed: [] },
  ])("hides no request: $name", async ({ bytes, executed }) => {
    const origin = await (protocol === "http2" ? startHttp2Origin(cleanup) : startHttp1Origin(cleanup));
    const side = await startInboundSide(cleanup, {
      ...{ mode: "PERMISSIVE", applicationPort: origin.port },
      ...(protocol === undefined ? {} : { protocol }),
    });
    const client = await dialRaw(cleanup, side.port);
    client.end(bytes, "latin1");
    expect(await readUntilClosed(client)).not.toMatch(/^HTTP\/1\.1 101 /);
    // The sidecar's own preface, which this application reads as a request of the method PRI.
    const requests = origin.executed.filter(({ method }) => method !== "PRI");
    expect(requests.map(({ path }) => path)).toEqual(executed);
    expect(JSON.stringify(origin.executed)).not.toContain("forged");
    const names = origin.executed.flatMap(({ fields }) => fields.map(([name]) => name));
    expect(names).not.toContain("upgrade");
    expect(names).not.toContain("http2-settings");
  });

  it.each([
    { offered: "istio-h2", speaks: "1.1" },
    { offered: "h2", speaks: "1.1" },
    { offered: "istio", speaks: "1.1" },
    { offered: "istio-http/1.1", speaks: "2" },
    { offered: "http/1.1", speaks: "2" },
    { offered: "istio", speaks: "2" },
  ])(
    "a peer that negotiates $offered and speaks HTTP/$speaks has the identity that it proved",
    async ({ offered, speaks }) => {
      const isOfHttp1 = protocol === "http" || (protocol === undefined && speaks === "1.1");
      const origin = await (isOfHttp1 ? startHttp1Origin(cleanup) : startHttp2Origin(cleanup));
      const side = await startInboundSide(cleanup, {
        ...{ mode: "STRICT", applicationPort: origin.port },
        ...(protocol === undefined ? {} : { protocol }),
      });
      const socket = await dialRaw(cleanup, await startMeshTunnel(cleanup, side.port, [offered]));
      if (speaks === "2") {
        const client = new RawHttp2Client(socket);
        client.send(http2Bytes(client));
        expect((await client.ended(1)).statuses).toEqual(["200"]);
      } else {
        socket.end(HTTP1);
        expect(await readUntilClosed(socket)).toMatch(/^HTTP\/1\.1 200 /);
      }
      const [request] = origin.executed;
      const identities = request?.fields.filter(([name]) => name === IDENTITY) ?? [];
      expect(identities.map(([, value]) => value)).toEqual([expect.stringContaining(`URI=${HELLO}`)]);
      expect(JSON.stringify(request)).not.toContain("forged");
    },
  );
});

describe.each(["tcp", "tls"] as const)("a port declared %s", (protocol) => {
  async function startRecorder() {
    let received = "";
    const port = await listen(cleanup, (socket) => {
      socket.on("data", (chunk) => {
        received += chunk.toString("latin1");
      });
      socket.on("end", () => socket.end());
    });
    return { port, received: () => received };
  }

  it.each([
    { version: "1.1", bytes: HTTP1 },
    { version: "2", bytes: FORGED_HTTP2 },
  ])("is a stream: HTTP/$version passes unread, with all that it claims", async ({ bytes }) => {
    const application = await startRecorder();
    const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort: application.port, protocol });
    const client = await dialRaw(cleanup, side.port);
    client.end(bytes, "latin1");
    await readUntilClosed(client);
    expect(application.received()).toBe(bytes);
  });

  it("negotiates no HTTP/2, so that no peer believes its requests to be read", async () => {
    const application = await startRecorder();
    const side = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: application.port, protocol });
    const refused = await dialMesh(cleanup, side.port, ["h2", "istio-h2"]);
    expect(refused.destroyed).toBe(true);
    const accepted = await dialMesh(cleanup, side.port, ["h2", "istio-h2", "istio"]);
    expect(accepted.alpnProtocol).toBe("istio");
  });
});
