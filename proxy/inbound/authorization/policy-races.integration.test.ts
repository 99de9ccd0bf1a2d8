import { afterEach, describe, expect, it } from "vitest";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { connectClient, listen } from "../../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** One client, while whose connection is being opened a policy begins to deny everything. */
async function playUntilDenied(protocol: DeclaredProtocol | undefined, bytes: string, after: number) {
  let received = 0;
  const applicationPort = await listen(cleanup, (socket) => {
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
  });
  const side = await startInboundSide(cleanup, {
    ...{ mode: "PERMISSIVE", applicationPort, limits: { silenceMs: 1 } },
    ...(protocol === undefined ? {} : { protocol }),
  });
  const client = connectClient(cleanup, side.port);
  client.write(bytes);
  await turns(after);
  const wasDelivered = side.registry.list().some((connection) => connection.bytes().received > 0);
  side.setPolicies([policyOf("DENY", [{}])]);
  await turns(10);
  const before = received;
  client.write(bytes);
  await turns(10);
  client.destroy();
  return { wasDelivered, before, received };
}

describe("a policy that begins to deny while a connection is being opened", () => {
  it.each([
    { name: "a request", protocol: "http", bytes: `GET /revoked HTTP/1.1\r\nHost: a\r\n\r\n` },
    { name: "a stream", protocol: "tcp", bytes: "ping" },
    { name: "a stream on an undeclared port", protocol: undefined, bytes: "\0ping" },
  ] as const)("lets nothing through from then on, at whichever turn it comes: $name", async ({ protocol, bytes }) => {
    for (let after = 0; after <= 24; after += 1) {
      const { wasDelivered, before, received } = await playUntilDenied(protocol, bytes, after);
      expect({ after, received }).toEqual({ after, received: before });
      expect(wasDelivered || before === 0).toBe(true);
    }
  });
});
