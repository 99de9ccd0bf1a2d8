import { describe, expect, it } from "vitest";
import type { ResourceName } from "../../mesh/api/convert-subscription.ts";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS, testPod, testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { ChangingSource } from "../discovery-fixture.ts";
import type { ResourceClient } from "./decide-resource.ts";
import { Evaluations } from "./evaluations.ts";
import { SharedDecisions } from "./shared-decisions.ts";

const WORLD: ResourceName = { kind: "destination", target: { kind: "address", ip: "10.96.0.1", port: 8080 } };
const MESH = [testPod({ name: "world", ip: "10.0.0.9" }), testService({ name: "world" })];

const document = (text: string): string => `${text}\n`;

function client(namespace: string, app: string): ResourceClient {
  const labels = { app };
  return { namespace, labels, key: JSON.stringify([namespace, labels]), pod: `${namespace}/${app}` };
}

function routesFor(app: string): string {
  const http = [{ match: [{ sourceLabels: { app } }], route: [{ destination: { host: "world" } }] }];
  return testResource("VirtualService", "world", { hosts: ["world"], http }, { namespace: "ns1" });
}

function setup() {
  const source = new ChangingSource(...MESH.map(document));
  const view = () => ({
    set: source.current(),
    trust: { roots: [] },
    settings: TEST_SETTINGS,
    keySets: new Map<string, string>(),
  });
  const evaluations = new Evaluations({
    clock: new FakeClock(),
    log: new RecordingLogger(),
    limitLog: unlimitedLog,
    view,
  });
  source.subscribe((_set, { keys }) => evaluations.changed(keys));
  const decisions = new SharedDecisions(evaluations);
  const follow = (of: ResourceClient) => {
    let changes = 0;
    const followed = decisions.follow(WORLD, of, () => {
      changes += 1;
    });
    return { ...followed, changes: () => changes };
  };
  const change = (...texts: readonly string[]): void => source.change(...texts.map(document));
  return { change, decisions, follow };
}

describe("a decision", () => {
  it("is encoded once for all clients", async () => {
    const { change, follow, decisions } = setup();
    const [first, second] = [follow(client("ns1", "a")), follow(client("ns2", "b"))];
    expect(decisions.size).toBe(1);
    expect(second.current()).toBe(first.current());
    change(...MESH, testPod({ name: "world-2", ip: "10.0.0.10", labels: { app: "world" } }));
    await settlePromises();
    expect(second.current()).toBe(first.current());
    expect([first.changes(), second.changes()]).toEqual([1, 1]);
  });

  it("differs between namespaces as soon as a rule is visible in one alone, and no longer", async () => {
    const { change, follow } = setup();
    const [first, other, second] = [client("ns1", "a"), client("ns2", "a"), client("ns1", "b")].map(follow);
    const spec = { host: "world", exportTo: ["."], trafficPolicy: { tls: { mode: "DISABLE" } } };
    change(...MESH, testResource("DestinationRule", "world", spec, { namespace: "ns1" }));
    await settlePromises();
    expect([first?.changes(), other?.changes(), second?.changes()]).toEqual([1, 0, 1]);
    expect(second?.current()).toBe(first?.current());
    expect(follow(client("ns2", "b")).current()).toBe(other?.current());
    change(...MESH);
    await settlePromises();
    expect(first?.current()?.digest).toEqual(other?.current()?.digest);
  });

  it("differs between the clients of a namespace as soon as a rule reads their labels, and no longer", async () => {
    const { change, follow } = setup();
    const [a, b] = [follow(client("ns1", "a")), follow(client("ns1", "b"))];
    change(...MESH, routesFor("a"));
    await settlePromises();
    expect([a.changes(), b.changes()]).toEqual([1, 0]);
    expect(a.current()?.digest).not.toEqual(b.current()?.digest);
    const later = follow(client("ns1", "a"));
    expect(later.current()).toBe(a.current());
    expect(follow(client("ns1", "c")).current()?.digest).toEqual(b.current()?.digest);
    change(...MESH);
    await settlePromises();
    expect(a.current()?.digest).toEqual(b.current()?.digest);
  });

  it("notifies nobody if its value is the same after a change", async () => {
    const { change, follow } = setup();
    const followed = follow(client("ns1", "a"));
    change(...MESH, testResource("DestinationRule", "other", { host: "other" }, { namespace: "ns1" }));
    await settlePromises();
    expect(followed.changes()).toBe(0);
  });

  it("is current for a new follower even before the pass that a change has started", () => {
    const { change, follow } = setup();
    const first = follow(client("ns1", "a"));
    const before = first.current();
    change(...MESH, testPod({ name: "world-2", ip: "10.0.0.10", labels: { app: "world" } }));
    const late = follow(client("ns1", "a"));
    expect(late.current()).not.toBe(before);
    expect(first.current()).toBe(late.current());
  });

  it("is dropped with its last follower", () => {
    const { follow, decisions } = setup();
    const [first, second] = [follow(client("ns1", "a")), follow(client("ns1", "b"))];
    first.stop();
    expect(decisions.size).toBe(1);
    second.stop();
    expect(decisions.size).toBe(0);
  });
});
