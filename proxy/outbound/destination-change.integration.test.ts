import { afterEach, describe, expect, it } from "vitest";
import type { DeclaredProtocol } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { meshDestination } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function isHandshake(bytes: Buffer): boolean {
  return bytes[0] === 0x16 && bytes[1] === 0x03;
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("a rule that starts to require mutual TLS while a plaintext connection is being opened", () => {
  const protocols: readonly { readonly protocol: DeclaredProtocol | undefined; readonly said: string }[] = [
    { protocol: undefined, said: "a word" },
    { protocol: undefined, said: "GET / HTTP/1.1\r\nHost: world\r\n\r\n" },
    { protocol: "tcp", said: "a word" },
    { protocol: "http", said: "GET / HTTP/1.1\r\nHost: world\r\n\r\n" },
    { protocol: "http", said: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  ];
  it.each(protocols)("sends nothing of $said in plaintext ($protocol)", async ({ protocol, said }) => {
    for (let count = 0; count <= 16; count += 1) {
      let received = "";
      const server = await listen(cleanup, (socket) => {
        socket.on("data", (chunk) => {
          // The sidecar's own attempt under the new rule.
          if (isHandshake(chunk)) socket.destroy();
          else received += chunk.toString("latin1");
        });
        socket.on("end", () => socket.end());
      });
      const overrides = { protocol };
      const side = await startOutboundSide(cleanup, {
        destination: meshDestination([server], { mutualTls: false, overrides }),
      });
      const client = connectClient(cleanup, side.port);
      const over = readAll(client);
      await turns(count);
      side.setDestination(meshDestination([server], { mutualTls: true, overrides }));
      client.end(said);
      await over;
      await expect.poll(() => side.registry.size).toBe(0);
      expect(received).toBe("");
    }
  });
});
