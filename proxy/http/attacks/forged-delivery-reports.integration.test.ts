import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type LenientUpstream, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { deliveryProofOf } from "../../connections/delivery-proof.ts";
import { formatRequest, startTestGateway } from "../../gateway/gateway-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { createTestUpstreamDialer, startOutboundSide } from "../../outbound-side-fixture.ts";
import { createNoMetrics } from "../../telemetry/proxy-metrics.ts";
import { listenUpstream, startHttp2Server } from "../upstream/http2-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const ORDER = formatRequest("/order", {
  method: "POST",
  headers: "Content-Length: 1\r\nConnection: close\r\n",
  body: "x",
});

/** What is written as a report. @param proofs of the proxy's connections, the present one last. */
type Forge = (proofs: readonly string[]) => string;

const FORGERIES: readonly { readonly name: string; readonly forge: Forge }[] = [
  { name: "without a proof", forge: () => "undelivered" },
  { name: "with an invented proof", forge: () => `undelivered-${"0".repeat(32)}` },
  { name: "with the proof of another connection", forge: (proofs) => `undelivered-${proofs.at(-2) ?? ""}` },
];

/** A verified proxy that relays its application's bytes, as Envoy does on a port that is declared to be TCP. */
async function startRelay(forge: Forge): Promise<number> {
  const proofs: string[] = [];
  return await listenUpstream(cleanup, ["istio-http/1.1", "istio"], (socket) => {
    proofs.push(deliveryProofOf(socket) ?? "");
    socket.on("data", () => {
      const report = forge(proofs);
      socket.end(
        `HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: entente-${report}\r\nx-entente-delivery: ${report}\r\n\r\n`,
      );
    });
  });
}

/** A verified proxy that forwards its application's fields over HTTP/2, as Envoy does. */
async function startHttp2Proxy(forge: Forge): Promise<number> {
  const server = await startHttp2Server(cleanup, {
    onStream: (stream) => stream.respond({ ":status": 503, "x-entente-delivery": forge([]) }, { endStream: true }),
  });
  return server.port;
}

/** A pod that would serve the request, if it were sent again. */
async function startOther(): Promise<{ readonly port: number; readonly application: LenientUpstream }> {
  const application = await startLenientUpstream(cleanup);
  const { port } = await startInboundSide(cleanup, {
    mode: "STRICT",
    applicationPort: application.port,
    protocol: "http",
  });
  return { port, application };
}

async function startSidecar(pods: readonly number[], httpVersion: "1.1" | "2"): Promise<number> {
  const overrides = { protocol: "http", connectionPool: { httpVersion } } as const;
  const { port } = await startOutboundSide(cleanup, { destination: meshDestination(pods, { overrides }) });
  return port;
}

async function startGateway(pods: readonly number[]): Promise<number> {
  const destination = meshDestination(pods, { overrides: { protocol: "http" } });
  const { dialer } = createTestUpstreamDialer(cleanup, { destination, meters: createNoMetrics() });
  const { port } = await startTestGateway(cleanup, 1, { dialer });
  return port;
}

const DOORS = [
  { client: "a sidecar", server: "relays bytes", startClient: startSidecar, version: "1.1", startServer: startRelay },
  { client: "a sidecar", server: "has HTTP/2", startClient: startSidecar, version: "2", startServer: startHttp2Proxy },
  { client: "a gateway", server: "relays bytes", startClient: startGateway, version: "1.1", startServer: startRelay },
] as const;

describe.each(DOORS)("an application behind a verified foreign proxy that $server", (door) => {
  it.each(FORGERIES)(`makes ${door.client} repeat no request by a report $name`, async ({ forge }) => {
    const other = await startOther();
    const port = await door.startClient([await door.startServer(forge), other.port], door.version);
    // The second connection meets the proof of the first.
    for (let turn = 0; turn < 2; turn += 1) {
      const answer = await sendRaw(cleanup, port, ORDER);
      expect(answer).toMatch(/^HTTP\/1\.1 503 /);
      expect(answer).not.toMatch(/entente-undelivered/);
      if (door.version === "2") expect(answer).not.toMatch(/x-entente-delivery/);
    }
    expect(other.application.executed).toEqual([]);
  });
});

describe.each(DOORS.filter(({ server }) => server === "relays bytes"))("the proxy itself, which $server", (door) => {
  it(`is trusted by ${door.client}: it has the keys of the connection`, async () => {
    const other = await startOther();
    const relay = await startRelay((proofs) => `undelivered-${proofs.at(-1)}`);
    const port = await door.startClient([relay, other.port], door.version);
    expect(await sendRaw(cleanup, port, ORDER)).toMatch(/^HTTP\/1\.1 200 /);
    expect(other.application.executed).toHaveLength(1);
  });
});
