import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../net/raw-client-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { startOutboundSide } from "./outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "./raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const FAULT = { reason: "proxy_fault", stage: "proxy" };
const REQUEST = "GET /a HTTP/1.1\r\nHost: world.ns2\r\nConnection: close\r\n\r\n";

/** A destination with a port for which `connect` throws. Validation lets none into a destination. */
function brokenDestination(protocol: "http" | "tcp") {
  return meshDestination([70_000], { mutualTls: false, overrides: { protocol } });
}

it("an exception while an inbound connection is handled refuses this one, and the next is served", async () => {
  const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
  let reads = 0;
  const side = await startInboundSide(cleanup, {
    ...{ mode: "PERMISSIVE", applicationPort },
    onPolicyRead: () => {
      reads += 1;
      if (reads === 1) throw new Error("no policy");
    },
  });
  expect((await readAll(connectClient(cleanup, side.port))).reset).toBe(true);
  expect(side.recorder.refusals).toMatchObject([FAULT]);
  await expect.poll(() => side.registry.size).toBe(0);
  const client = connectClient(cleanup, side.port);
  client.end("\x00ping");
  expect((await readAll(client)).text).toBe("\x00ping");
});

it("an exception while an outbound connection is dialled refuses this one, and the next is served", async () => {
  const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
  const side = await startOutboundSide(cleanup, { destination: brokenDestination("tcp") });
  expect((await readAll(connectClient(cleanup, side.port))).reset).toBe(true);
  expect(side.recorder.refusals).toMatchObject([FAULT]);
  await expect.poll(() => side.registry.size).toBe(0);
  side.setDestination(meshDestination([applicationPort], { mutualTls: false, overrides: { protocol: "tcp" } }));
  const client = connectClient(cleanup, side.port);
  client.end("ping");
  expect((await readAll(client)).text).toBe("ping");
});

it("an exception while a request is sent becomes a local reply, and the next request is served", async () => {
  const upstream = await startLenientUpstream(cleanup);
  const side = await startOutboundSide(cleanup, { destination: brokenDestination("http") });
  expect(await sendRaw(cleanup, side.port, REQUEST)).toMatch(/^HTTP\/1\.1 500 /);
  expect(side.http.logged).toMatchObject([{ status: 500, flags: "DO" }]);
  side.setDestination(meshDestination([upstream.port], { mutualTls: false, overrides: { protocol: "http" } }));
  expect(await sendRaw(cleanup, side.port, REQUEST)).toContain("served GET /a");
});
