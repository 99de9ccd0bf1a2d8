import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ValueSchema } from "../../../mesh/api/gen/discovery_pb.ts";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../../../mesh/recording-logger-fixture.ts";
import { bytesOf } from "../../../mesh/used-bytes-fixture.ts";
import { NO_AGENT_METER } from "../../telemetry/agent-meter.ts";
import { Subscription } from "./subscription.ts";

/** A service with 10,000 endpoints has 3 MB, and a sidecar up to thousands of destinations. */
const VALUES = 200;
const VALUE_BYTES = 60_000;

it("a sidecar keeps the digest of a value without the message that it came in", () => {
  const clock = new FakeClock();
  const deps = {
    clock,
    random: Math.random,
    log: new RecordingLogger(),
    limitLog: unlimitedLog,
    meter: NO_AGENT_METER,
  };
  const subscribed = { resource: { kind: "inbound" }, decode: () => "decoded", take: () => undefined } as const;
  const received = { readings: undefined, askedMs: 0, receivedMs: 0 };
  const grown = bytesOf(VALUES, (index) => {
    const subscription = new Subscription(index, subscribed, deps);
    const encoded = new Uint8Array(VALUE_BYTES);
    const message = toBinary(ValueSchema, create(ValueSchema, { digest: new Uint8Array(16).fill(index), encoded }));
    expect(subscription.deliver(fromBinary(ValueSchema, message), received)).toBeUndefined();
    expect(subscription.request().knownDigest).toEqual(new Uint8Array(16).fill(index));
    return subscription;
  });
  expect(grown).toBeLessThan((VALUES * VALUE_BYTES) / 4);
});

it("a value that was not taken whole is asked for again as a whole, and counts as rejected", () => {
  const rejected: string[] = [];
  const deps = {
    ...{ clock: new FakeClock(), random: Math.random, log: new RecordingLogger(), limitLog: unlimitedLog },
    meter: { updateRejected: (resource: string) => rejected.push(resource) },
  };
  const refusals = [undefined, { reason: "it is behind" }];
  const confirmed: number[] = [];
  const subscribed = {
    resource: { kind: "trust bundle" },
    ...{ decode: () => "decoded", take: () => refusals.shift() },
    confirm: ({ receivedMs }: { readonly receivedMs: number }) => confirmed.push(receivedMs),
  } as const;
  const subscription = new Subscription(1, subscribed, deps);
  const deliver = (digest: number, receivedMs: number) =>
    subscription.deliver(create(ValueSchema, { digest: Uint8Array.of(digest) }), {
      ...{ readings: undefined, askedMs: 0, receivedMs },
    });
  expect([deliver(1, 10), subscription.request().knownDigest]).toEqual([undefined, Uint8Array.of(1)]);
  expect([deliver(1, 20), confirmed]).toEqual([undefined, [20]]);
  expect([deliver(2, 30), subscription.request().knownDigest]).toEqual([{ reason: "it is behind" }, new Uint8Array()]);
  expect(rejected).toEqual(["trust bundle"]);
});
