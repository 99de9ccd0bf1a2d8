import { afterEach, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { connectAndVanish } from "../../../net/vanished-client-fixture.ts";
import { formatRequest, startLenientGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it("a client that was gone before it was accepted is not served: it has no address that a policy could deny", async () => {
  const policies = [policyOf("DENY", [{ from: [{ ipBlocks: ["127.0.0.0/8"] }], to: [{ paths: ["/admin"] }] }])];
  const { port, upstream } = await startLenientGateway(cleanup, { authorization: { policies } });
  connectAndVanish(port, formatRequest("/admin"));
  await sendRaw(cleanup, port, formatRequest("/public", { headers: "Connection: close\r\n" }));
  expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /public HTTP/1.1"]);
});
