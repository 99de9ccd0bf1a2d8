/** For tests: applications behind verified proxies of another mesh that forge reports of delivery. */
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type LenientUpstream, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { deliveryProofOf } from "../../connections/delivery-proof.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { listenUpstream, startHttp2Server } from "../upstream/http2-server-fixture.ts";

const ORDER = "POST /order HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";

/** What is written as a report. @param proofs of the proxy's connections, the present one last. */
type Forge = (proofs: readonly string[]) => string;

const FORGERIES: readonly { readonly name: string; readonly forge: Forge }[] = [
  { name: "without a proof", forge: () => "undelivered" },
  { name: "with an invented proof", forge: () => `undelivered-${"0".repeat(32)}` },
  { name: "with the proof of another connection", forge: (proofs) => `undelivered-${proofs.at(-2) ?? ""}` },
];

/** A verified proxy that relays its application's bytes, as Envoy does on a port that is declared to be TCP. */
async function startRelay(cleanup: Cleanup, forge: Forge): Promise<number> {
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
async function startHttp2Proxy(cleanup: Cleanup, forge: Forge): Promise<number> {
  const server = await startHttp2Server(cleanup, {
    onStream: (stream) => stream.respond({ ":status": 503, "x-entente-delivery": forge([]) }, { endStream: true }),
  });
  return server.port;
}

/** A pod that would serve the request, if it were sent again. */
async function startOther(cleanup: Cleanup): Promise<{ readonly port: number; readonly application: LenientUpstream }> {
  const application = await startLenientUpstream(cleanup);
  const { port } = await startInboundSide(cleanup, {
    mode: "STRICT",
    applicationPort: application.port,
    protocol: "http",
  });
  return { port, application };
}

const PROXIES = {
  "relays bytes": startRelay,
  "has HTTP/2": startHttp2Proxy,
};

/** Starts the proxy under test in front of these pods, of which the first gets the first request. */
type StartClient = (cleanup: Cleanup, pods: readonly number[]) => Promise<number>;

/** No report of an application makes the client's proxy repeat a request; one of the server's own proxy does. */
export function runForgedReports(client: string, foreign: keyof typeof PROXIES, startClient: StartClient): void {
  describe(`an application behind a verified foreign proxy that ${foreign}`, () => {
    const cleanup = new Cleanup();
    afterEach(() => cleanup.run());

    it.each(FORGERIES)(`makes ${client} repeat no request by a report $name`, async ({ forge }) => {
      const other = await startOther(cleanup);
      const port = await startClient(cleanup, [await PROXIES[foreign](cleanup, forge), other.port]);
      // The second connection meets the proof of the first.
      for (let turn = 0; turn < 2; turn += 1) {
        const answer = await sendRaw(cleanup, port, ORDER);
        expect(answer).toMatch(/^HTTP\/1\.1 503 /);
        expect(answer).not.toMatch(foreign === "has HTTP/2" ? /x-entente-delivery/ : /: entente-undelivered/);
      }
      expect(other.application.executed).toEqual([]);
    });
  });

  it(`${client} trusts a report of the proxy itself, which has the keys of the connection`, async () => {
    const cleanup = new Cleanup();
    const other = await startOther(cleanup);
    const relay = await startRelay(cleanup, (proofs) => `undelivered-${proofs.at(-1)}`);
    const port = await startClient(cleanup, [relay, other.port]);
    const answer = await sendRaw(cleanup, port, ORDER).finally(() => cleanup.run());
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(other.application.executed).toHaveLength(1);
  });
}
