import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { createRecorder, type Recorder } from "../data-plane-fixture.ts";
import { type ConnectionRegistry, createConnectionRegistry, INBOUND_POLICY } from "./connection-registry.ts";
import { asSocket, FakeSocket } from "./fake-socket-fixture.ts";
import { endOf, FakeRelay } from "./relay-fixture.ts";
import { createCapturedCapacity, TrackedConnection } from "./tracked-connection.ts";

let recorder: Recorder;
let registry: ConnectionRegistry;
let client: FakeSocket;

beforeEach(() => {
  recorder = createRecorder();
  registry = createConnectionRegistry({
    judgePeer: () => "unchanged",
    onCut: recorder.cut,
  });
  client = new FakeSocket();
});

function accept(): TrackedConnection {
  const destination = { ip: "fd00::1", port: 8080 };
  const accepted = {
    direction: "inbound",
    client: "10.0.0.7:40000",
    destination,
    openedAtMs: 0,
    policyKey: INBOUND_POLICY,
  } as const;
  return new TrackedConnection({ ...accepted, socket: asSocket(client) }, { registry, observer: recorder });
}

describe("a connection", () => {
  it("is in the registry from accept to close", async () => {
    const connection = accept();
    expect(registry.list()).toMatchObject([{ stage: "accepted", client: "10.0.0.7:40000" }]);
    const relay = new FakeRelay();
    connection.carry({}, () => relay);
    expect(registry.list()).toMatchObject([{ stage: "open" }]);
    relay.end("closed");
    expect(await endOf(connection)).toBe("closed");
    expect([connection.isOver, registry.size]).toEqual([true, 0]);
  });

  it("is judged at every decision about it, and cut together with every socket that was opened for it", () => {
    const connection = accept();
    const application = new FakeSocket();
    connection.hold(asSocket(application));
    connection.decide({ isAllowed: () => false });
    expect(recorder.cuts).toEqual(["policy_changed"]);
    expect([client.wasReset, application.wasReset, connection.isOver]).toEqual([true, true, true]);
  });

  it("is judged by a policy that changes while it waits", () => {
    const connection = accept();
    let isAllowed = true;
    connection.decide({ stage: "waiting", isAllowed: () => isAllowed });
    isAllowed = false;
    registry.judgePolicy(INBOUND_POLICY);
    expect([recorder.cuts, client.wasReset]).toEqual([["policy_changed"], true]);
  });

  it("is forwarded only if it is allowed at that moment", () => {
    let starts = 0;
    const start = () => {
      starts += 1;
      return new FakeRelay();
    };
    accept().carry({ isAllowed: () => false }, start);
    const connection = accept();
    connection.cut();
    connection.carry({}, start);
    expect(starts).toBe(0);
  });

  it("that has ended adopts no socket: a late one is reset", () => {
    const connection = accept();
    connection.cut();
    const late = new FakeSocket();
    connection.hold(asSocket(late));
    expect(late.wasReset).toBe(true);
  });

  it("is refused once, with the first reason", () => {
    const connection = accept();
    connection.refuse("handshake", "handshake_timeout", "too late");
    connection.refuse("handshake", "client_gone", "it disconnected");
    expect(recorder.refusals).toMatchObject([{ reason: "handshake_timeout", destination: "[fd00::1]:8080" }]);
    expect(client.wasReset).toBe(true);
  });

  it("is idle until it is forwarded, and then as its forwarder reports", () => {
    const connection = accept();
    expect(connection.isIdle).toBe(true);
    const serving = Object.assign(new FakeRelay(), { isIdle: false, awaitsBodySinceMs: 5 });
    connection.carry({}, () => serving);
    expect([connection.isIdle, connection.awaitsBodySinceMs]).toEqual([false, 5]);
    serving.isIdle = true;
    expect(connection.isIdle).toBe(true);
  });

  it("that makes room for another is cut and reported", () => {
    const capacity = createCapturedCapacity({ limit: 1, clock: new FakeClock(), observer: recorder });
    capacity.enter(accept());
    expect(capacity.enter(accept())).toBe(true);
    expect([recorder.cuts, client.wasReset]).toEqual([["displaced"], true]);
  });
});
