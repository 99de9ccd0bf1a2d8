import { Socket } from "node:net";
import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createConnectionRegistry } from "../connections/connection-registry.ts";
import { createCapturedCapacity } from "../connections/tracked-connection.ts";
import { createRecorder, secureContextsOf, WORKLOAD, WORLD } from "../data-plane-fixture.ts";
import { createHttpContext } from "../http/http-context.ts";
import { InboundHttp } from "./inbound-http.ts";
import { createInboundHandler } from "./inbound-pipeline.ts";
import { createOpeningCaps } from "./opening-limits.ts";

const clock = new FakeClock();

/** Hands a socket to the inbound side of a STRICT workload and tells who was refused. */
async function refusedClient(socket: Socket): Promise<string> {
  const observer = createRecorder();
  const meters = { requestMeter: () => ({ count: () => undefined }) };
  const context = createHttpContext({ clock, random: () => 0, log: new RecordingLogger(), meters });
  const handle = createInboundHandler({
    clock,
    observer,
    secureContexts: secureContextsOf(WORLD),
    inbound: () => ({ workload: WORKLOAD, defaultMode: { mode: "STRICT", rule: "default" }, ports: [] }),
    registry: createConnectionRegistry({ isTrusted: () => true, onCut: observer.cut }),
    capacity: createCapturedCapacity({ limit: 10, clock, observer }),
    caps: createOpeningCaps({ maxUnproved: 1, maxSilentPlaintext: 1, maxSilentVerified: 1 }),
    http: new InboundHttp({ context, random: () => 0, connectTimeoutMs: 1000 }),
    limits: {
      handshakeTimeoutMs: 1000,
      silenceMs: 100,
      silenceTimeoutMs: 1000,
      connectTimeoutMs: 1000,
      halfOpenIdleMs: 1000,
    },
  });
  handle({ socket, destination: { ip: "127.0.0.1", port: 8080 } });
  socket.destroy();
  return (await observer.nextRefusal()).client;
}

/** A socket that knows its peer for as long as it is open, as the kernel does. */
function createKnownSocket(): Socket {
  const socket = new Socket();
  return Object.defineProperties(socket, {
    remoteAddress: { get: () => (socket.destroyed ? undefined : "10.0.0.7") },
    remotePort: { get: () => (socket.destroyed ? undefined : 40_000) },
  });
}

it("a refusal names the address that the client came from, although its socket is gone by then", async () => {
  expect(await refusedClient(createKnownSocket())).toBe("10.0.0.7:40000");
});

it("a client that was gone before it was taken is called that", async () => {
  expect(await refusedClient(new Socket())).toBe("gone");
});
