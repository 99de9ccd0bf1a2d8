import { connect } from "node:net";
import { TLSSocket } from "node:tls";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { HELLO, secureContextsOf, WORLD } from "../mesh-identities-fixture.ts";
import { listen } from "../raw-sockets-fixture.ts";
import { originateTls } from "./originate-tls.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it("a handshake counts that waits to be read when its time is over", async () => {
  const [client, server] = [secureContextsOf(HELLO), secureContextsOf(WORLD)];
  const [material, served] = [client.current(), server.current()];
  if (material === undefined || served === undefined) throw new Error("no certificate");
  let timeIsOver = (): void => undefined;
  const port = await listen(cleanup, (socket) => {
    const ALPNCallback = (): string => {
      // The first timer behind the reply, before the client reads.
      setTimeout(timeIsOver, 1);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      return "istio";
    };
    const secured = new TLSSocket(socket, { isServer: true, secureContext: served.context, ALPNCallback });
    secured.on("error", () => undefined);
  });
  const socket = connect({ port, host: "127.0.0.1" });
  cleanup.addSocket(socket);
  const clock = {
    ...systemClock,
    setTimeout: (action: () => void) => {
      timeIsOver = action;
      return { cancel: () => undefined };
    },
  };
  const result = await originateTls(socket, {
    ...{ clock, timeoutMs: 5000, material, trust: () => client.trust(), expected: [WORLD] },
    ...{ sni: "world", alpnProtocols: ["istio"] },
  });
  expect(result).toMatchObject({ kind: "verified", peer: { identity: WORLD } });
});
