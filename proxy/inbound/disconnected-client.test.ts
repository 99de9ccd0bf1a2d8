import { Socket } from "node:net";
import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { strictInbound } from "../../mesh/policy/inbound-fixture.ts";
import type { Inbound } from "../../mesh/policy/types.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createDataPlane } from "../create-data-plane.ts";
import { createRecorder } from "../data-plane-fixture.ts";
import { secureContextsOf, WORKLOAD, WORLD } from "../mesh-identities-fixture.ts";
import { createNoMetrics } from "../telemetry/proxy-metrics.ts";

const clock = new FakeClock();

/** Hands a socket to the inbound side of a STRICT workload and returns the refused client. */
async function refusedClient(socket: Socket): Promise<string> {
  const observer = createRecorder();
  const plane = createDataPlane({
    ...{ clock, observer, random: () => 0, log: new RecordingLogger(), secureContexts: secureContextsOf(WORLD) },
    meters: createNoMetrics(),
    discovery: { watch: () => ({ close: () => undefined }) },
  });
  const inbound = (): Inbound => strictInbound(WORKLOAD);
  const sidecar = plane.createSidecar({ inbound, workload: () => WORKLOAD });
  // As the capture listener does.
  socket.on("error", () => undefined);
  sidecar.inbound({ socket, destination: { ip: "127.0.0.1", port: 8080 } });
  socket.destroy();
  return (await observer.nextRefusal()).client;
}

/** A socket that knows its peer only while it is open, as in the kernel. */
function createKnownSocket(): Socket {
  const socket = new Socket();
  return Object.defineProperties(socket, {
    remoteAddress: { get: () => (socket.destroyed ? undefined : "10.0.0.7") },
    remotePort: { get: () => (socket.destroyed ? undefined : 40_000) },
  });
}

it("a refusal names the client's address, although its socket is closed by then", async () => {
  expect(await refusedClient(createKnownSocket())).toBe("10.0.0.7:40000");
});

it("a client that disconnected before it was accepted is named `gone`", async () => {
  expect(await refusedClient(new Socket())).toBe("gone");
});
