import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntilClosed, sendRaw } from "../net/raw-client-fixture.ts";
import { startTestGateway } from "./gateway/gateway-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { HELLO, meshDestination, secureContextsOf, WORLD } from "./mesh-identities-fixture.ts";
import { createTestUpstreamDialer, startOutboundSide } from "./outbound-side-fixture.ts";
import { createNoMetrics } from "./telemetry/proxy-metrics.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** What a client may claim, in the hops' own spelling. */
const CLAIMS = [
  "X-Forwarded-Client-Cert: By=forged;URI=spiffe://cluster.local/ns/admin/sa/root",
  "X-Envoy-Peer-Metadata: forged",
  "X-Envoy-Retry-On: forged",
  "X_Envoy_Decorator_Operation: forged",
  "X-Envoy-External-Address: forged",
  "X-Real-IP: 203.0.113.1",
  "X-Forwarded-For: 203.0.113.2",
  "X-Forwarded-Host: other.example",
  "Forwarded: for=203.0.113.3",
  "X-Original-URL: /admin",
].join("\r\n");
const REQUEST = `GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${CLAIMS}\r\n\r\n`;
const BARE = "GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

/** What Istio forwards as the client's own headers. */
const KEPT = {
  "x-real-ip": "203.0.113.1",
  "x-forwarded-host": "other.example",
  forwarded: "for=203.0.113.3",
  "x-original-url": "/admin",
};

async function startApplication() {
  const application = await startLenientUpstream(cleanup);
  /** The request's fields by lower-case name. */
  const received = (): Readonly<Record<string, string>> => {
    const [, ...lines] = (application.executed[0]?.head ?? "").split("\r\n");
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
  };
  return { port: application.port, received };
}

const FROM_HELLO = new RegExp(`^By=${WORLD};Hash=[0-9a-f]{64};Subject="";URI=${HELLO}$`);

describe("through two sidecars", () => {
  async function start() {
    const application = await startApplication();
    const inbound = await startInboundSide(cleanup, {
      mode: "STRICT",
      applicationPort: application.port,
      protocol: "http",
    });
    const destination = meshDestination([inbound.port], { overrides: { protocol: "http" } });
    const outbound = await startOutboundSide(cleanup, { destination });
    return { port: outbound.port, received: application.received };
  }

  it("the application receives http, a request id and the verified client", async () => {
    const { port, received } = await start();
    await sendRaw(cleanup, port, BARE);
    expect(received()).toEqual({
      host: "shop.example",
      "x-forwarded-proto": "http",
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      "x-forwarded-client-cert": expect.stringMatching(FROM_HELLO),
    });
  });

  it("what a client claims is dropped, except for what Istio forwards", async () => {
    const { port, received } = await start();
    await sendRaw(cleanup, port, REQUEST);
    expect(received()).toMatchObject({ ...KEPT, "x-forwarded-for": "203.0.113.2" });
    expect(received()["x-forwarded-client-cert"]).toMatch(FROM_HELLO);
    expect(Object.entries(received()).filter(([name, value]) => /envoy/.test(name) || value === "forged")).toEqual([]);
  });

  it("the client's own request id and protocol are kept", async () => {
    const { port, received } = await start();
    const own = "X-Request-Id: mine\r\nX-Forwarded-Proto: https\r\n";
    await sendRaw(cleanup, port, BARE.replace("Connection", `${own}Connection`));
    expect(received()).toMatchObject({ "x-request-id": "mine", "x-forwarded-proto": "https" });
  });
});

describe("through the server's sidecar alone", () => {
  it("a plaintext client's claims are dropped, and the application receives http", async () => {
    const application = await startApplication();
    const options = { mode: "PERMISSIVE", applicationPort: application.port, protocol: "http" } as const;
    const inbound = await startInboundSide(cleanup, options);
    await sendRaw(cleanup, inbound.port, REQUEST);
    const { "x-request-id": id, ...received } = application.received();
    expect(received).toEqual({
      host: "shop.example",
      ...KEPT,
      "x-forwarded-for": "203.0.113.2",
      "x-forwarded-proto": "http",
    });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("a verified peer came over https unless its proxy sent another protocol; its proxy's headers are kept", async () => {
    const application = await startApplication();
    const options = { mode: "STRICT", applicationPort: application.port, protocol: "http" } as const;
    const inbound = await startInboundSide(cleanup, options);
    const secureContext = secureContextsOf(HELLO).current()?.context;
    const client = connectTls({
      socket: await dialRaw(cleanup, inbound.port),
      ...(secureContext === undefined ? {} : { secureContext }),
      ALPNProtocols: ["istio-http/1.1", "istio"],
      servername: "outbound_.8080_._.world.ns2.svc.cluster.local",
      rejectUnauthorized: false,
    });
    client.on("error", () => undefined);
    cleanup.addSocket(client);
    client.write(REQUEST.replace("X-Envoy-Retry-On: forged", "X-Envoy-Attempt-Count: 2"));
    await readUntilClosed(client);
    expect(application.received()).toMatchObject({ "x-forwarded-proto": "https", "x-envoy-attempt-count": "2" });
    expect(application.received()["x-forwarded-client-cert"]).toMatch(FROM_HELLO);
    expect(application.received()["x-envoy-peer-metadata"]).toBeUndefined();
  });
});

describe("through the gateway and the server's sidecar", () => {
  it("the application receives the gateway's headers for the client, and the gateway's identity", async () => {
    const application = await startApplication();
    const options = { mode: "STRICT", applicationPort: application.port, protocol: "http" } as const;
    const inbound = await startInboundSide(cleanup, options);
    const { port } = await startTestGateway(cleanup, 0, { dialer: dialerTo(inbound.port) });
    const forged = "X-Request-Id: forged\r\nX-Forwarded-Proto: https\r\n";
    await sendRaw(cleanup, port, REQUEST.replace("Connection", `${forged}Connection`));
    const { "x-request-id": id, "x-forwarded-client-cert": cert, ...received } = application.received();
    expect(received).toEqual({
      host: "shop.example",
      ...KEPT,
      "x-forwarded-for": "203.0.113.2, 127.0.0.1",
      "x-forwarded-proto": "http",
      "x-envoy-external-address": "127.0.0.1",
    });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(cert).toMatch(FROM_HELLO);
  });
});

/** The gateway's upstream dialler, with the identity HELLO. */
function dialerTo(port: number) {
  const destination = meshDestination([port]);
  return createTestUpstreamDialer(cleanup, { destination, meters: createNoMetrics() }).dialer;
}
