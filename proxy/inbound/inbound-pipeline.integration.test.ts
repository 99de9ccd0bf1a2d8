import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { ServerMode } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import {
  HELLO,
  type IdentityOptions,
  MESH_ROOT,
  meshDestination,
  secureContextsOf,
} from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";
import { clientHelloWithoutAlpn } from "./client-hello-fixture.ts";
import { pingThroughSidecar, startEchoSide } from "./echo-application-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("which clients are admitted", () => {
  const modes: readonly ServerMode[] = ["STRICT", "PERMISSIVE"];
  it.each(modes)("a mesh client is admitted under %s and its identity is known", async (mode) => {
    const { side } = await startEchoSide(cleanup, mode);
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
    const { side, echo } = await startEchoSide(cleanup, "STRICT");
    const client = connectClient(cleanup, side.port);
    client.write("GET / HTTP/1.1\r\n\r\n");
    expect(await readAll(client)).toEqual({ text: "", reset: true });
    expect(side.recorder.refusals).toMatchObject([{ reason: "plaintext_under_strict", stage: "policy" }]);
    expect(side.recorder.refusals[0]?.message).toContain("PeerAuthentication/strict.ns2");
    expect(echo.connections()).toBe(0);
  });

  it.each(["PERMISSIVE", "DISABLE"] as const)("plaintext is admitted under %s", async (mode) => {
    const { side } = await startEchoSide(cleanup, mode);
    const client = connectClient(cleanup, side.port);
    client.end("hello");
    expect(await readAll(client)).toEqual({ text: "hello", reset: false });
  });

  it("other TLS is forwarded unchanged under PERMISSIVE", async () => {
    const { side } = await startEchoSide(cleanup, "PERMISSIVE");
    const client = connectClient(cleanup, side.port);
    const hello = clientHelloWithoutAlpn();
    client.end(hello);
    expect((await readAll(client)).text).toBe(hello.toString("latin1"));
  });
});

describe("clients with the wrong certificate", () => {
  const cases: readonly { name: string; options: IdentityOptions; reason: string }[] = [
    { name: "of another root", options: { issuer: mintRoot({ commonName: "other root" }) }, reason: "unknown_root" },
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
      const { side, echo } = await startEchoSide(cleanup, "STRICT");
      const answer = await pingThroughSidecar(cleanup, side, secureContextsOf(HELLO, options));
      expect(answer).toEqual({ text: "", reset: true });
      expect((await side.recorder.nextRefusal()).reason).toBe(reason);
      expect(echo.connections()).toBe(0);
    },
  );

  it("a TLS client without any certificate is refused", async () => {
    const { side, echo } = await startEchoSide(cleanup, "STRICT");
    const { connect } = await import("node:tls");
    const client = connect({ port: side.port, ALPNProtocols: ["istio"], rejectUnauthorized: false });
    client.on("error", () => undefined);
    cleanup.addSocket(client);
    client.on("secureConnect", () => client.write("ping"));
    expect((await readAll(client)).text).toBe("");
    expect((await side.recorder.nextRefusal()).reason).toBe("no_certificate");
    expect(echo.connections()).toBe(0);
  });

  it("a server that is not one of the destination's service accounts is refused by the client's side", async () => {
    const { side, echo } = await startEchoSide(cleanup, "STRICT", {
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
    const { side } = await startEchoSide(cleanup, "PERMISSIVE");
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
    cleanup.addSocket(client);
    client.write("late");
    const [answer] = await once(client, "data");
    expect(String(answer)).toBe("late");
    expect(client).toBeInstanceOf(TLSSocket);
    expect(side.registry.list()[0]?.peer?.identity).toBe(HELLO);
  });
});

describe("a port that is declared as HTTP", () => {
  it.each(["DISABLE", "PERMISSIVE"] as const)(
    "never relays a malformed request as a stream, under %s",
    async (mode) => {
      let connections = 0;
      const application = await listen(cleanup, () => {
        connections += 1;
      });
      const side = await startInboundSide(cleanup, { mode, applicationPort: application, protocol: "http" });
      const client = connectClient(cleanup, side.port);
      if (mode === "PERMISSIVE") await expect.poll(() => side.recorder.silences).toBe(1);
      client.end("not a request at all\n\n");
      expect((await readAll(client)).text).toMatch(/^HTTP\/1\.1 [45]\d\d /);
      expect(connections).toBe(0);
    },
  );
});

describe("policy and trust that change", () => {
  it("an open plaintext connection is cut when the port becomes STRICT", async () => {
    const { side } = await startEchoSide(cleanup, "PERMISSIVE");
    const client = connectClient(cleanup, side.port);
    client.write("x");
    await once(client, "data");
    side.setMode("STRICT");
    expect((await readAll(client)).reset).toBe(true);
    expect(side.recorder.cuts).toEqual(["policy_changed"]);
    expect(side.registry.size).toBe(0);
  });

  it("an open mutual TLS connection continues when the port becomes STRICT", async () => {
    const { side } = await startEchoSide(cleanup, "PERMISSIVE");
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.write("a");
    await once(client, "data");
    side.setMode("STRICT");
    client.write("b");
    const [answer] = await once(client, "data");
    expect(String(answer)).toBe("b");
  });

  it("a connection is cut when its peer's root is no longer trusted, and kept through a rotation that trusts both", async () => {
    const source = secureContextsOf(parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/default"));
    const { side } = await startEchoSide(cleanup, "STRICT", { secureContexts: source });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.write("a");
    await once(client, "data");
    const next = mintRoot({ commonName: "next" });
    const trustDomains = source.current()?.trust.trustDomains ?? [];
    source.setTrust({ roots: [MESH_ROOT.certificate, next.certificate], trustDomains });
    expect(side.registry.size).toBe(1);
    source.setTrust({ roots: [next.certificate], trustDomains });
    expect((await readAll(client)).reset).toBe(true);
    expect(side.recorder.cuts).toEqual(["trust_changed"]);
  });
});
