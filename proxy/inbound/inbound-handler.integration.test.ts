import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { ServerMode } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import {
  connectClient,
  HELLO,
  type IdentityOptions,
  type InboundSide,
  listen,
  MESH_ROOT,
  meshDestination,
  readAll,
  secureContextsOf,
  startInboundSide,
  startOutboundSide,
} from "../data-plane-fixture.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** An application that answers each line with the same line, and counts its connections. */
async function startEcho(): Promise<{ readonly port: number; readonly connections: () => number }> {
  let connections = 0;
  const port = await listen(cleanup, (socket) => {
    connections += 1;
    socket.pipe(socket);
  });
  return { port, connections: () => connections };
}

async function startSide(mode: ServerMode, options: Partial<Parameters<typeof startInboundSide>[1]> = {}) {
  const echo = await startEcho();
  const side = await startInboundSide(cleanup, { mode, applicationPort: echo.port, ...options });
  return { echo, side };
}

/** What a client with these certificates gets back for "ping", through its own sidecar. */
async function pingThroughSidecar(side: InboundSide, secureContexts?: SecureContextSource) {
  const outbound = await startOutboundSide(cleanup, {
    destination: meshDestination([side.port]),
    ...(secureContexts === undefined ? {} : { secureContexts }),
  });
  const client = connectClient(cleanup, outbound.port);
  client.end("ping");
  return await readAll(client);
}

describe("who is let in", () => {
  const modes: readonly ServerMode[] = ["STRICT", "PERMISSIVE"];
  it.each(modes)("a mesh client is let in under %s and its identity is known", async (mode) => {
    const { side } = await startSide(mode);
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.write("ping");
    const [answer] = await once(client, "data");
    expect(String(answer)).toBe("ping");
    const [connection] = side.registry.list();
    expect(connection?.peer?.identity).toBe(HELLO);
    expect(connection?.peer?.tlsVersion).toBe("TLSv1.3");
    expect(outbound.registry.list()[0]?.peer?.keyExchangeGroup).toBe("X25519MLKEM768");
    expect(side.registry.list()[0]?.peer?.keyExchangeGroup).toBe("X25519MLKEM768");
  });

  it("plaintext is reset under STRICT, and the application sees no connection", async () => {
    const { side, echo } = await startSide("STRICT");
    const client = connectClient(cleanup, side.port);
    client.write("GET / HTTP/1.1\r\n\r\n");
    expect(await readAll(client)).toEqual({ text: "", reset: true });
    expect(side.recorder.refusals).toMatchObject([{ reason: "plaintext_under_strict", stage: "policy" }]);
    expect(side.recorder.refusals[0]?.message).toContain("PeerAuthentication/strict.ns2");
    expect(echo.connections()).toBe(0);
  });

  it.each(["PERMISSIVE", "DISABLE"] as const)("plaintext is let in under %s", async (mode) => {
    const { side } = await startSide(mode);
    const client = connectClient(cleanup, side.port);
    client.end("hello");
    expect(await readAll(client)).toEqual({ text: "hello", reset: false });
  });

  it("TLS of another kind is handed on untouched under PERMISSIVE", async () => {
    const { side } = await startSide("PERMISSIVE");
    const client = connectClient(cleanup, side.port);
    const hello = clientHelloWithoutAlpn();
    client.end(hello);
    expect((await readAll(client)).text).toBe(hello.toString("latin1"));
  });
});

describe("clients with the wrong certificate", () => {
  const cases: readonly { name: string; options: IdentityOptions; reason: string }[] = [
    { name: "of another root", options: { issuer: mintRoot({ commonName: "stranger" }) }, reason: "unknown_root" },
    { name: "that has expired", options: { notAfter: new Date(Date.now() - 1000) }, reason: "expired" },
    {
      name: "of another trust domain",
      options: { uriSans: ["spiffe://elsewhere.example/ns/ns1/sa/default"] },
      reason: "foreign_trust_domain",
    },
    {
      name: "with two URI SANs",
      options: { uriSans: [HELLO, "spiffe://cluster.local/ns/x/sa/y"] },
      reason: "san_count",
    },
    { name: "without a URI SAN", options: { uriSans: [] }, reason: "san_count" },
  ];
  it.each(cases)(
    "a certificate $name is refused, and the application sees no connection",
    async ({ options, reason }) => {
      const { side, echo } = await startSide("STRICT");
      const answer = await pingThroughSidecar(side, secureContextsOf(HELLO, options));
      expect(answer).toEqual({ text: "", reset: true });
      expect((await side.recorder.nextRefusal()).reason).toBe(reason);
      expect(echo.connections()).toBe(0);
    },
  );

  it("a TLS client without any certificate is refused", async () => {
    const { side, echo } = await startSide("STRICT");
    const { connect } = await import("node:tls");
    const client = connect({ port: side.port, ALPNProtocols: ["istio"], rejectUnauthorized: false });
    client.on("error", () => undefined);
    cleanup.add(() => client.destroy());
    client.on("secureConnect", () => client.write("ping"));
    expect((await readAll(client)).text).toBe("");
    expect((await side.recorder.nextRefusal()).reason).toBe("no_certificate");
    expect(echo.connections()).toBe(0);
  });

  it("a server that is not one of the destination's service accounts is refused by the client's side", async () => {
    const { side, echo } = await startSide("STRICT", {
      secureContexts: secureContextsOf(parseSpiffeId("spiffe://cluster.local/ns/other/sa/thief")),
    });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.end("secret");
    expect(await readAll(client)).toEqual({ text: "", reset: true });
    expect((await outbound.recorder.nextRefusal()).reason).toBe("unexpected_identity");
    expect(echo.connections()).toBe(0);
  });
});

describe("servers that speak first", () => {
  async function startGreeter(): Promise<number> {
    return await listen(cleanup, (socket) => socket.write("220 ready\r\n"));
  }

  it("a silent plaintext client gets the greeting under PERMISSIVE", async () => {
    const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort: await startGreeter() });
    const client = connectClient(cleanup, side.port);
    const [greeting] = await once(client, "data");
    expect(String(greeting)).toBe("220 ready\r\n");
    expect(side.recorder.silences).toBe(1);
  });

  it.each(["STRICT", "PERMISSIVE"] as const)("a mesh client gets the greeting under %s", async (mode) => {
    const side = await startInboundSide(cleanup, { mode, applicationPort: await startGreeter() });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    const [greeting] = await once(client, "data");
    expect(String(greeting)).toBe("220 ready\r\n");
  });

  it("a client that is slow to begin its handshake is still recognised under PERMISSIVE", async () => {
    const { side } = await startSide("PERMISSIVE");
    const { TLSSocket, connect } = await import("node:tls");
    const raw = connectClient(cleanup, side.port);
    while (side.recorder.silences === 0) await new Promise((resolve) => setImmediate(resolve));
    const material = secureContextsOf(HELLO).current();
    const client = connect({
      socket: raw,
      ALPNProtocols: ["istio"],
      rejectUnauthorized: false,
      ...(material === undefined ? {} : { secureContext: material.context }),
    });
    cleanup.add(() => client.destroy());
    client.write("late");
    const [answer] = await once(client, "data");
    expect(String(answer)).toBe("late");
    expect(client).toBeInstanceOf(TLSSocket);
    expect(side.registry.list()[0]?.peer?.identity).toBe(HELLO);
  });
});

describe("clients that prove nothing", () => {
  it.each([
    { name: "silence", bytes: Buffer.alloc(0) },
    { name: "one byte of a ClientHello", bytes: Buffer.from([0x16]) },
    { name: "half a ClientHello", bytes: Buffer.from("160301020001", "hex") },
  ])("$name is cut when the handshake's time is over", async ({ bytes }) => {
    const { side, echo } = await startSide("STRICT", { limits: { handshakeTimeoutMs: 80 } });
    const client = connectClient(cleanup, side.port);
    client.write(bytes);
    expect((await readAll(client)).reset).toBe(true);
    expect((await side.recorder.nextRefusal()).reason).toBe("handshake_timeout");
    expect(echo.connections()).toBe(0);
    expect(side.caps.unproved.size).toBe(0);
  });

  it.each([
    { name: "a handshake record that is no ClientHello", bytes: "160301000502000001ff" },
    { name: "a record longer than TLS allows", bytes: "1603017fff01" },
    { name: "a ClientHello of noise", bytes: `1603010040${"01".padEnd(128, "a5")}` },
  ])("$name is refused under PERMISSIVE, too", async ({ bytes }) => {
    const { side, echo } = await startSide("PERMISSIVE");
    const client = connectClient(cleanup, side.port);
    client.write(Buffer.from(bytes, "hex"));
    await readAll(client);
    expect((await side.recorder.nextRefusal()).stage).toBe("handshake");
    expect(echo.connections()).toBe(0);
  });

  it("silent connections above the cap displace the oldest of themselves, and a real client gets in", async () => {
    const { side } = await startSide("STRICT", { openingLimit: 20 });
    const silent = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const socket = connectClient(cleanup, side.port);
        await once(socket, "connect");
        return socket;
      }),
    );
    expect(await pingThroughSidecar(side)).toEqual({ text: "ping", reset: false });
    expect(side.caps.unproved.size).toBeLessThanOrEqual(20);
    expect(side.recorder.refusals.every(({ reason }) => reason === "too_many_pending")).toBe(true);
    for (const socket of silent) socket.destroy();
  });
});

describe("floods", () => {
  it("2,000 idle connections do not keep a real client out, and leave nothing behind", async () => {
    const { side } = await startSide("STRICT", { openingLimit: 256 });
    const idle: Socket[] = [];
    for (let batch = 0; batch < 20; batch += 1) {
      const opened = Array.from({ length: 100 }, () => connectClient(cleanup, side.port));
      await Promise.all(opened.map((socket) => once(socket, "connect")));
      idle.push(...opened);
    }
    expect(await pingThroughSidecar(side)).toEqual({ text: "ping", reset: false });
    expect(side.caps.unproved.size).toBeLessThanOrEqual(256);
    for (const socket of idle) socket.destroy();
    await expect.poll(() => side.caps.unproved.size).toBe(0);
    await side.registry.whenEmpty();
  });

  it("a ClientHello of 64 KB over many records is refused, and costs no more than its time", async () => {
    const { side, echo } = await startSide("PERMISSIVE", { limits: { handshakeTimeoutMs: 500 } });
    const client = connectClient(cleanup, side.port);
    const record = Buffer.concat([Buffer.from("1603014000", "hex"), Buffer.alloc(16_384, 1)]);
    client.write(Buffer.concat([record, record, record, record]));
    await readAll(client);
    expect((await side.recorder.nextRefusal()).stage).toBe("handshake");
    expect(echo.connections()).toBe(0);
    expect(side.caps.unproved.size).toBe(0);
  });

  it("a client that sends one byte at a time is served if it is honest", async () => {
    const { side } = await startSide("PERMISSIVE");
    const hello = clientHelloWithoutAlpn();
    const client = connectClient(cleanup, side.port);
    client.setNoDelay(true);
    for (const byte of hello) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.end();
    expect((await readAll(client)).text).toBe(hello.toString("latin1"));
  });
});

describe("policy and trust that change", () => {
  it("an open plaintext connection is cut when the port becomes STRICT", async () => {
    const { side } = await startSide("PERMISSIVE");
    const client = connectClient(cleanup, side.port);
    client.write("x");
    await once(client, "data");
    side.setMode("STRICT");
    expect((await readAll(client)).reset).toBe(true);
    expect(side.recorder.cuts).toEqual(["policy_changed"]);
    expect(side.registry.size).toBe(0);
  });

  it("an open mutual TLS connection goes on when the port becomes STRICT", async () => {
    const { side } = await startSide("PERMISSIVE");
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.write("a");
    await once(client, "data");
    side.setMode("STRICT");
    client.write("b");
    const [answer] = await once(client, "data");
    expect(String(answer)).toBe("b");
  });

  it("a connection is cut when its peer's root is believed no more, and kept through a rotation that believes both", async () => {
    const source = secureContextsOf(parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/default"));
    const { side } = await startSide("STRICT", { secureContexts: source });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.write("a");
    await once(client, "data");
    const next = mintRoot({ commonName: "next" });
    const trustDomains = source.current()?.trustDomains ?? [];
    if (!("setTrust" in source) || typeof source.setTrust !== "function")
      throw new Error("the fixture's source is writable");
    source.setTrust({ roots: [MESH_ROOT.certificate, next.certificate], trustDomains });
    expect(side.registry.size).toBe(1);
    source.setTrust({ roots: [next.certificate], trustDomains });
    expect((await readAll(client)).reset).toBe(true);
    expect(side.recorder.cuts).toEqual(["trust_changed"]);
  });
});

/** A whole ClientHello of OpenSSL's, without ALPN. */
function clientHelloWithoutAlpn(): Buffer {
  const extensions = Buffer.from("0017000000230000000d000400020403", "hex");
  const body = Buffer.concat([
    Buffer.from("0303", "hex"),
    Buffer.alloc(32, 7),
    Buffer.from("00", "hex"),
    Buffer.from("00021301", "hex"),
    Buffer.from("0100", "hex"),
    Buffer.from([0, extensions.length]),
    extensions,
  ]);
  const message = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
  return Buffer.concat([Buffer.from([0x16, 3, 1, 0, message.length]), message]);
}
