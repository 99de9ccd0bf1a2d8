import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createSecureContext, type TLSSocket } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { formatChainPem, hostileDsaKey, mintCrossIssued } from "../../mesh/identity/hostile-chain-fixture.ts";
import {
  CALL_HEADERS,
  type ControlPlaneFixture,
  closing,
  openCall,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";

/** Each test ends with an honest caller that must get a certificate. An uncaught error fails the run. */
let fixture: ControlPlaneFixture;
const MAX_UNVERIFIED = 200;

beforeAll(async () => {
  fixture = await startControlPlaneFixture({ limits: { maxUnverifiedConnections: MAX_UNVERIFIED } });
});
afterAll(() => fixture.stop());
afterEach(async () => {
  expect((await fixture.ask({ bearer: await fixture.token() })).length).toBeGreaterThan(1);
});

async function dial(port = fixture.server.port): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  return socket.resume();
}

async function dialSecure(): Promise<TLSSocket> {
  const socket = fixture.dialTls();
  await once(socket, "secureConnect");
  return socket.resume();
}

it.each([
  { name: "plain HTTP", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
  { name: "HTTP/2 without TLS", bytes: Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
  {
    name: "a ClientHello of 64 KB",
    bytes: Buffer.concat([Buffer.from("160301400001003ffc0303", "hex"), Buffer.alloc(65_536, 1)]),
  },
  { name: "random bytes", bytes: Buffer.alloc(1000, 0xa5) },
])("$name is cut off", async ({ bytes }) => {
  const socket = await dial();
  socket.write(bytes);
  await closing(socket);
});

it("garbage inside TLS is cut off", async () => {
  const socket = await dialSecure();
  socket.write(Buffer.alloc(1000, 0xa5));
  await closing(socket);
});

it.each([
  { name: "only HTTP/1.1", protocols: ["http/1.1"] },
  { name: "no protocol at all", protocols: [] },
])("a client that offers $name is cut off", async ({ protocols }) => {
  const socket = fixture.dialTls({ ALPNProtocols: protocols });
  await closing(socket.resume());
});

it.each(["TLSv1.2", "TLSv1.3"] as const)(
  "clients with hostile chains are refused, unverified, by %s",
  async (version) => {
    const chain = mintCrossIssued(hostileDsaKey(), 9);
    const secureContext = createSecureContext({
      cert: formatChainPem(chain),
      key: chain.key.export({ type: "pkcs8", format: "pem" }).toString(),
      ciphers: "DEFAULT@SECLEVEL=0",
      maxVersion: version,
    });
    const metric = 'entente_control_plane_connections_refused_total{reason="handshake_failed"}';
    const refused = await fixture.metric(metric);
    for (let index = 0; index < 20; index += 1)
      await closing(fixture.dialTls({ secureContext, rejectUnauthorized: false }).resume());
    await expect.poll(() => fixture.metric(metric)).toBe(refused + 20);
  },
);

it("a client older than TLS 1.2 is refused", async () => {
  const socket = fixture.dialTls({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
  await closing(socket);
  expect(socket.getProtocol()).not.toBe("TLSv1.1");
});

it("a silent handshake ends at its time limit", async () => {
  const brief = await startControlPlaneFixture({ limits: { handshakeTimeoutMs: 300 } });
  await closing(await dial(brief.server.port));
  await brief.stop();
});

it.each(["[", "%zz", "host:99999"])("an authority that is not a URL (%s) ends only that call", async (name) => {
  const session = fixture.dialHttp2();
  const stream = session.request({ ...CALL_HEADERS, ":authority": name });
  stream.on("error", () => undefined);
  stream.end(Buffer.alloc(5));
  await closing(stream);
  expect(stream.rstCode).not.toBe(0);
  session.destroy();
});

it("callers that disconnect in the middle of a call are not an error", async () => {
  for (let turn = 0; turn < 5; turn += 1) {
    const session = fixture.dialHttp2();
    await openCall(session);
    session.destroy();
  }
  expect(fixture.log.records.filter(({ level }) => level === "error")).toEqual([]);
});

it("an unauthenticated client may have ten concurrent calls, by SETTINGS", async () => {
  const session = fixture.dialHttp2();
  await once(session, "remoteSettings");
  const client = await Promise.all(Array.from({ length: 10 }, () => openCall(session)));
  expect(new Set(client)).toEqual(new Set(["open"]));
  expect(session.remoteSettings.maxConcurrentStreams).toBe(10);
  session.destroy();
});

it("an unauthenticated client that opens thousands of streams against the limit is cut off", async () => {
  const socket = await dialSecure();
  const settings = formatFrame({ type: 4, flags: 0, stream: 0, payload: Buffer.alloc(0) });
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]));
  for (let index = 0; index < 3000; index += 1) {
    socket.write(formatFrame({ type: 1, flags: 4, stream: 1 + 2 * index, payload: RAW_HEADERS }));
  }
  await closing(socket);
});

it.each([
  { name: "of a megabyte", csr: () => "A".repeat(1 << 20), code: Code.ResourceExhausted, says: "" },
  { name: "of 40 KB", csr: () => "A".repeat(40_000), code: Code.InvalidArgument, says: "csr_malformed" },
  {
    name: "with a broken signature",
    csr: () => damageSignature(fixture.csr()),
    code: Code.InvalidArgument,
    says: "CSR signing error (CSR_ERROR: csr_signature",
  },
  {
    name: "with a tiny key",
    csr: () => fixture.csr("-newkey", "rsa:1024"),
    code: Code.InvalidArgument,
    says: "csr_key: the request has an RSA key of 1024 bits",
  },
])("a signing request $name is refused", async ({ csr, code, says }) => {
  const bearer = await fixture.token();
  const error = ConnectError.from(await fixture.ask({ bearer, csr: csr() }).catch((caught: unknown) => caught));
  expect(error.code).toBe(code);
  expect(error.rawMessage).toContain(says);
});

it("600 idle connections displace each other", async () => {
  const idle: Socket[] = [];
  for (let batch = 0; batch < 6; batch += 1)
    idle.push(...(await Promise.all(Array.from({ length: 100 }, () => dial()))));
  await Promise.all(idle.slice(0, -MAX_UNVERIFIED).map(closing));
  expect((await fixture.ask({ bearer: await fixture.token() })).length).toBeGreaterThan(1);
  for (const socket of idle) socket.destroy();
});

it("a caller that waits for its certificate is not displaced by another pod that opens ever new connections", async () => {
  const waiting = fixture.dialHttp2({ localAddress: "127.0.0.2" });
  expect(await openCall(waiting)).toBe("open");
  const flood: Socket[] = [];
  while (flood.length < MAX_UNVERIFIED + 20) flood.push(await dial());
  await Promise.all(flood.slice(0, 20).map(closing));
  await new Promise((resolve) => waiting.ping(resolve));
  expect(waiting.closed || waiting.destroyed).toBe(false);
  for (const socket of [...flood, waiting]) socket.destroy();
});

it("unauthenticated clients past the handshake displace each other, never a caller with a certificate", async () => {
  const known = fixture.dialHttp2(await fixture.workload());
  await once(known, "remoteSettings");
  const clients: TLSSocket[] = [];
  for (let count = 0; count < MAX_UNVERIFIED + 20; count += 1) clients.push(await dialSecure());
  await Promise.all(clients.slice(0, 20).map(closing));
  await new Promise((resolve) => known.ping(resolve));
  expect(known.closed || known.destroyed).toBe(false);
  for (const socket of clients) socket.destroy();
  known.destroy();
});

it("an unauthenticated client's connection ends at its time limit, a verified caller's stays open", async () => {
  const clock = new FakeClock(Date.now());
  const limits = { unverifiedLifetimeMs: 60_000, pingIntervalMs: 600_000 };
  const brief = await startControlPlaneFixture({ clock, limits });
  const known = brief.dialHttp2(await brief.workload());
  const client = brief.dialHttp2();
  await Promise.all([known, client].map((session) => once(session, "remoteSettings")));
  await clock.advance(60_000);
  await closing(client);
  await new Promise((resolve) => known.ping(resolve));
  expect(known.destroyed).toBe(false);
  known.destroy();
  await brief.stop();
});

it("closing ends silent connections, unauthenticated clients and open calls alike", async () => {
  const plane = await startControlPlaneFixture();
  const sessions = [plane.dialHttp2(await plane.workload()), plane.dialHttp2()];
  await Promise.all(sessions.map(openCall));
  const silent = connect(plane.server.port, "127.0.0.1").on("error", () => undefined);
  await once(silent, "connect");
  const closed = Promise.all([...sessions, silent.resume()].map(closing));
  await plane.stop();
  await closed;
});

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One HTTP/2 frame (RFC 9113, section 4.1). */
function formatFrame({ type, flags, stream, payload }: Frame): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** HPACK literals without indexing (RFC 7541, section 6.2.2). */
const RAW_HEADERS = Buffer.concat(
  Object.entries({ ":scheme": "https", ":authority": "localhost", ...CALL_HEADERS }).map(([name, value]) =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]),
  ),
);

/** Changes the last octet, which is within the signature's second number. */
function damageSignature(pem: string): string {
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
}
