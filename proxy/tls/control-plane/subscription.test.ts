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
  const subscribed = { resource: { kind: "inbound" }, decode: () => "decoded", listener: () => undefined } as const;
  const grown = bytesOf(VALUES, (index) => {
    const subscription = new Subscription(index, subscribed, deps);
    const encoded = new Uint8Array(VALUE_BYTES);
    const message = toBinary(ValueSchema, create(ValueSchema, { digest: new Uint8Array(16).fill(index), encoded }));
    expect(subscription.deliver(fromBinary(ValueSchema, message))).toBeUndefined();
    expect(subscription.request().knownDigest).toEqual(new Uint8Array(16).fill(index));
    return subscription;
  });
  expect(grown).toBeLessThan((VALUES * VALUE_BYTES) / 4);
});
