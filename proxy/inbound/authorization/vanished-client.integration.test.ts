import { afterEach, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { connectAndVanish } from "../../../net/vanished-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** Denies every address from which this test connects. */
const DENY_HERE = policyOf("DENY", [{ from: [{ ipBlocks: ["127.0.0.0/8"] }] }]);

it.each([
  { protocol: "http" as const, mode: "PERMISSIVE" as const },
  { protocol: "tcp" as const, mode: "PERMISSIVE" as const },
  { protocol: "tcp" as const, mode: "DISABLE" as const },
  { protocol: undefined, mode: "PERMISSIVE" as const },
])("a client that was gone before it was accepted reaches nothing: $protocol, $mode", async ({ protocol, mode }) => {
  const upstream = await startLenientUpstream(cleanup);
  const { port, recorder } = await startInboundSide(cleanup, {
    ...{ mode, applicationPort: upstream.port, authorization: { policies: [DENY_HERE] } },
    ...(protocol === undefined ? {} : { protocol }),
  });
  connectAndVanish(port, "GET /admin HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  expect(await recorder.nextRefusal()).toMatchObject({ reason: "client_gone", client: "gone" });
  expect(upstream.executed).toEqual([]);
});
