import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { HELLO, meshDestination, secureContextsOf } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(async () => {
  vi.restoreAllMocks();
  await cleanup.run();
});

describe("a response of the control plane for a destination", () => {
  it("verifies no certificate again, and ends what it forbids", async () => {
    const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
    const secureContexts = secureContextsOf(HELLO);
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]), secureContexts });
    const clients = Array.from({ length: 3 }, () => connectClient(cleanup, outbound.port));
    for (const client of clients) {
      client.write("ping");
      await once(client, "data");
    }
    const verify = vi.spyOn(X509Certificate.prototype, "verify");
    for (let answer = 0; answer < 10; answer += 1) outbound.setDestination(meshDestination([inbound.port, 1]));
    expect(verify).not.toHaveBeenCalled();
    expect(outbound.registry.list().filter(({ peer }) => peer !== undefined)).toHaveLength(3);
    outbound.setDestination({ kind: "refused", reason: "a test" });
    expect(verify).not.toHaveBeenCalled();
    for (const client of clients) expect((await readAll(client)).reset).toBe(true);
    expect(outbound.recorder.cuts).toEqual(["policy_changed", "policy_changed", "policy_changed"]);
  });
});
