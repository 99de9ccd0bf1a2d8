import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { sendRaw } from "../net/raw-client-fixture.ts";
import { EAST, eastSource, HOPS, REQUEST, request, startServer, westSource } from "./foreign-peers-fixture.ts";
import { startTestGateway } from "./gateway/gateway-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { createTestUpstreamDialer } from "./outbound-side-fixture.ts";
import { createNoMetrics } from "./telemetry/proxy-metrics.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("between two meshes", () => {
  describe.each(HOPS)("over $name", (hop) => {
    it.each([
      { name: "its principal", principal: "west.example/ns/ns1/sa/app", isAllowed: true },
      { name: "the same account of its own mesh", principal: "east.example/ns/ns1/sa/app", isAllowed: false },
      { name: "another principal there", principal: "west.example/ns/ns1/sa/other", isAllowed: false },
    ])("a foreign client is allowed ($isAllowed) by a policy for $name", async ({ principal, isAllowed }) => {
      const { side, certificates } = await startServer(cleanup, eastSource(), [principal], hop.protocol);
      const status = await request(cleanup, { port: side.port, secureContexts: westSource(), expected: EAST, hop });
      const refused = hop.protocol === "tcp" ? "" : "403";
      expect([status, certificates().length]).toEqual(isAllowed ? ["200", 1] : [refused, 0]);
    });

    it("a foreign server with another account than the expected one receives nothing", async () => {
      const { side, certificates } = await startServer(cleanup, westSource(), undefined, hop.protocol);
      const expected = "spiffe://west.example/ns/ns1/sa/other";
      const status = await request(cleanup, { port: side.port, secureContexts: eastSource(), expected, hop });
      expect([status === "200", certificates()]).toEqual([false, []]);
    });
  });

  it("a gateway sends nothing to a foreign server with another account than the expected one", async () => {
    const { side, certificates } = await startServer(cleanup, westSource());
    const destination = meshDestination([side.port], { identities: [EAST] });
    const options = { destination, meters: createNoMetrics(), secureContexts: eastSource() };
    const { port } = await startTestGateway(cleanup, 0, { dialer: createTestUpstreamDialer(cleanup, options).dialer });
    expect((await sendRaw(cleanup, port, REQUEST)).slice(9, 12)).toBe("503");
    expect(certificates()).toEqual([]);
  });
});
