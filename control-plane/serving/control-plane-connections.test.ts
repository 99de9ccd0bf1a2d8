import { once } from "node:events";
import { performServerHandshake } from "node:http2";
import { connect, createServer, Socket } from "node:net";
import { expect, it } from "vitest";
import type { PeerContext } from "../../mesh/api/peer-context.ts";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { listen } from "../../net/listen.ts";
import { createControlPlaneConnections } from "./control-plane-connections.ts";
import { DEFAULT_LIMITS } from "./control-plane-limits.ts";
import type { RefusedConnection } from "./control-plane-metrics.ts";

/** A socket whose client has this address. */
function socketFrom(remoteAddress: string): Socket {
  return Object.defineProperty(new Socket(), "remoteAddress", { value: remoteAddress });
}

it("an address that opens connections faster than its pods could need is refused, others and this pod are not", async () => {
  const clock = new FakeClock();
  const refused: RefusedConnection[] = [];
  const ignore = (): void => undefined;
  const metrics = { connectionRefused: (reason: RefusedConnection) => void refused.push(reason) };
  const connections = createControlPlaneConnections({
    limits: { ...DEFAULT_LIMITS, newConnectionBurst: 2, newConnectionsPerSecond: 1 },
    clock,
    log: new RecordingLogger(),
    metrics: {
      ...metrics,
      callDisplaced: ignore,
      callRefused: ignore,
      callTimedOut: ignore,
      callCrowdedOut: ignore,
      callsWaiting: ignore,
    },
  });
  const open = (address: string): boolean => {
    const socket = socketFrom(address);
    connections.opened(socket);
    return !socket.destroyed;
  };
  expect([1, 2, 3].map(() => open("::ffff:10.0.0.7"))).toEqual([true, true, false]);
  expect(refused).toEqual(["too_many_new"]);
  expect(open("10.0.0.8")).toBe(true);
  expect([1, 2, 3, 4].map(() => open("127.0.0.1"))).toEqual([true, true, true, true]);
  await clock.advance(1000);
  expect([1, 2].map(() => open("10.0.0.7"))).toEqual([true, false]);
});

it("a connection with a verified peer does not count for its address, one without does", async () => {
  const connections = createControlPlaneConnections({
    limits: { ...DEFAULT_LIMITS, newConnectionBurst: 1, verifiedConnectionBurst: 1 },
    clock: new FakeClock(),
    log: new RecordingLogger(),
  });
  const server = createServer();
  const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
  const sockets: Socket[] = [];
  const open = async (peer: PeerContext): Promise<boolean> => {
    const accepted = once(server, "connection");
    sockets.push(connect(port, "127.0.0.1").on("error", () => undefined));
    const [socket]: Socket[] = await accepted;
    if (socket === undefined) throw new TypeError("no connection");
    Object.defineProperty(socket, "remoteAddress", { value: "10.0.0.7" });
    connections.opened(socket);
    if (socket.destroyed) return false;
    connections.established(
      performServerHandshake(socket).on("error", () => undefined),
      peer,
    );
    return true;
  };
  const anonymous = { kind: "anonymous", reason: "a test", address: "10.0.0.7" } as const;
  expect(await open(verifiedPeer())).toBe(true);
  expect(await open(anonymous)).toBe(true);
  expect(await open(verifiedPeer())).toBe(false);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});
