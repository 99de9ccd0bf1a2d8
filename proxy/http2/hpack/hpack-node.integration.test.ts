/** Our decoder reads what nghttp2 (in node:http2) encodes, and nghttp2 reads what our encoder writes. */
import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server, sensitiveHeaders } from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { ACK, END_HEADERS, END_STREAM, TYPE, wireFrame } from "../conformance/wire-frames-fixture.ts";
import { acceptWireServer, connectWireClient, type WirePeer } from "../conformance/wire-peer-fixture.ts";
import { decodedPairs, encodeBlock, type FieldPair } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { STATIC_NAMES } from "./static-table.ts";

const HEADER_TABLE_SIZE = 0x1;
const opened: (() => void)[] = [];

afterEach(() => {
  for (const close of opened.splice(0)) close();
});

async function portOf(server: Server | Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** A server of node:http2 that answers each request with the fields which it received, as JSON, and repeats them. */
async function startEchoServer(headerTableSize: number): Promise<number> {
  const server = createServer({ settings: { headerTableSize } });
  server.on("stream", (stream, headers, _flags, rawHeaders) => {
    stream.respond({ ":status": 200, "x-path": headers[":path"], "x-agent": headers["user-agent"] });
    stream.end(JSON.stringify(rawHeaders));
  });
  return portOf(server);
}

/** A client of node:http2, and its raw server. */
async function connectNodeClient(tableBytes?: number): Promise<{ client: ClientHttp2Session; server: WirePeer }> {
  const listener = createTcpServer();
  const accepted = once(listener, "connection");
  const client = connect(`http://127.0.0.1:${await portOf(listener)}`);
  client.on("error", () => undefined);
  opened.push(() => client.destroy());
  const [socket]: Socket[] = await accepted;
  if (socket === undefined) throw new Error("no socket");
  const settings = tableBytes === undefined ? [] : [[HEADER_TABLE_SIZE, tableBytes] as const];
  return { client, server: acceptWireServer(socket, settings) };
}

function pairsOf(raw: readonly string[]): readonly FieldPair[] {
  return raw.flatMap((name, index): FieldPair[] => (index % 2 === 0 ? [[name, raw[index + 1] ?? ""]] : []));
}

/** Requests with values that repeat, change, come back and are evicted; in all octets that a value may have. */
function requestOf(index: number): readonly FieldPair[] {
  return [
    [":method", index % 3 === 0 ? "POST" : "GET"],
    [":scheme", "http"],
    [":authority", `host-${index % 5}.example`],
    [":path", `/items/${index}?q=%7B${index}`],
    ["user-agent", `agent ${"x".repeat((index * 37) % 900)} ${index % 7}`],
    ["accept-language", Buffer.from([0x21 + (index % 94), 0x80 + (index % 128), 0xff]).toString("latin1")],
    ["x-own", `!"#$%&'()*+,-./0:;<=>?@A[\\]^_\`a{|}~ ${index}`],
    ["authorization", `Bearer ${index}`],
  ];
}

describe("our encoder to node:http2", () => {
  it.each([0, 100, 4096, 65_536])("is read as sent, with a table of %i bytes", async (tableBytes) => {
    const client = await connectWireClient(await startEchoServer(tableBytes));
    opened.push(() => client.close());
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const settings = await client.nextOf(TYPE.settings);
    expect(settings.payload.subarray(0, 6)).toEqual(Buffer.from([0, 1, ...uint32(tableBytes)]));
    encoder.setMaxTableBytes(tableBytes);
    for (let index = 0; index < 60; index += 1) {
      const request = requestOf(index);
      client.send(wireFrame(TYPE.headers, END_HEADERS | END_STREAM, 2 * index + 1, encodeBlock(encoder, request)));
      const response = decodedPairs(decoder, (await client.nextOf(TYPE.headers)).payload);
      const agent = request.find(([name]) => name === "user-agent")?.[1];
      expect(response).toEqual(
        expect.arrayContaining([
          ["x-path", `/items/${index}?q=%7B${index}`],
          ["x-agent", agent],
        ]),
      );
      const body = await client.nextOf(TYPE.data);
      expect(pairsOf(JSON.parse(body.payload.toString()))).toEqual(request);
    }
  });
});

it("our encoder's names of the static table are those of node:http2", async () => {
  const client = await connectWireClient(await startEchoServer(4096));
  opened.push(() => client.close());
  // Pseudo-fields are in the tests above; nghttp2 refuses transfer-encoding.
  const names = [...new Set(STATIC_NAMES)].filter((name) => /^[a-z]/.test(name) && name !== "transfer-encoding");
  const fields = names.map((name): FieldPair => [name, name === "content-length" ? "0" : "1"]);
  const request = [...requestOf(0).slice(0, 4), ...fields];
  client.send(wireFrame(TYPE.headers, END_HEADERS | END_STREAM, 1, encodeBlock(new HpackEncoder(), request)));
  const body = await client.nextOf(TYPE.data);
  expect(pairsOf(JSON.parse(body.payload.toString()))).toEqual(request);
});

function uint32(value: number): readonly number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return [...bytes];
}

describe("node:http2 to our decoder", () => {
  it.each([undefined, 0, 100, 65_536])("is read as sent, with a table of %s bytes", async (tableBytes) => {
    const { client, server } = await connectNodeClient(tableBytes);
    const decoder = new HpackDecoder();
    // The first request waits until our SETTINGS are acknowledged, so that node encodes with their table.
    if (tableBytes !== undefined) {
      let settings = await server.nextOf(TYPE.settings);
      while ((settings.flags & ACK) === 0) settings = await server.nextOf(TYPE.settings);
      decoder.acknowledgeTableBytes(tableBytes);
    }
    for (let index = 0; index < 60; index += 1) {
      const request = requestOf(index);
      client.request(Object.fromEntries(request), { endStream: true }).on("error", () => undefined);
      const { payload, flags } = await server.nextOf(TYPE.headers);
      expect(flags & END_HEADERS).toBe(END_HEADERS);
      expect(decodedPairs(decoder, payload)).toEqual(request);
    }
  });

  it("every octet that node can send has the same Huffman code", async () => {
    const { client, server } = await connectNodeClient();
    const decoder = new HpackDecoder();
    const octets = Array.from({ length: 256 }, (_, octet) => octet).filter((octet) => octet >= 0x20 && octet !== 0x7f);
    for (const octet of octets) {
      // Short codes around it, so that node does not send the value as it is.
      const value = `${"0".repeat(20)}${String.fromCharCode(octet)}${"0".repeat(20)}`;
      client.request({ "x-own": value }).on("error", () => undefined);
      const { payload } = await server.nextOf(TYPE.headers);
      expect(payload.includes("00000")).toBe(false);
      expect(decodedPairs(decoder, payload).at(-1)).toEqual(["x-own", value]);
    }
  });

  it("never-indexed fields of node are reported", async () => {
    const { client, server } = await connectNodeClient();
    client.request({ ":path": "/", "x-secret": "1", "x-other": "2", [sensitiveHeaders]: ["x-secret"] });
    const decoded = new HpackDecoder().decode((await server.nextOf(TYPE.headers)).payload);
    if (decoded.kind !== "fields") throw new Error(decoded.message);
    expect(decoded.neverIndexed.map((position) => decoded.names[position])).toEqual(["x-secret"]);
  });

  it("a block of node that is over our limits leaves a table that the next block needs", async () => {
    const { client, server } = await connectNodeClient();
    const decoder = new HpackDecoder({
      limits: { maxBlockBytes: 65_536, maxListBytes: 65_536, maxFields: 12, maxCookieCrumbs: 1 },
    });
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x-own-${index}`, "value"]));
    client.request(many).on("error", () => undefined);
    expect(decoder.decode((await server.nextOf(TYPE.headers)).payload).kind).toBe("too_large");
    client.request({ "x-own-7": "value", "x-own-11": "value" }).on("error", () => undefined);
    const pairs = decodedPairs(decoder, (await server.nextOf(TYPE.headers)).payload);
    expect(pairs.slice(-2)).toEqual([
      ["x-own-7", "value"],
      ["x-own-11", "value"],
    ]);
  });
});
