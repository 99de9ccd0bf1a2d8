import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AcknowledgementSchema, RejectionSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { bytesOf, usedBytes } from "../../mesh/used-bytes-fixture.ts";
import { DiscoveryFixture } from "../discovery-fixture.ts";
import { StreamRecord } from "./stream-status.ts";

/** One message may have 64 KB. One proxy may have 8,192 subscriptions in each of its 64 streams. */
const MESSAGES = 200;
const MESSAGE_BYTES = 60_000;

let mesh: DiscoveryFixture;
beforeEach(() => {
  mesh = new DiscoveryFixture();
});
afterEach(() => mesh.calls.abort());

describe("what is kept of a proxy's messages", () => {
  it("is not the message of a subscription, whether its digest is endless or something else in it", async () => {
    // Nothing is decided for a pod that is unknown, so no value replaces the digest.
    const workload = { namespace: "ns1", name: "unknown-1" };
    const proxy = mesh.proxy().identify(workload);
    const before = usedBytes();
    for (let id = 1; id <= MESSAGES; id += 1) {
      const [digestBytes, version] = id % 2 === 0 ? [MESSAGE_BYTES, ""] : [16, "v".repeat(MESSAGE_BYTES)];
      const knownDigest = new Uint8Array(digestBytes);
      const subscribe = [{ id, knownDigest, resource: { case: "inbound", value: {} } as const }];
      proxy.send({ proxy: { workload, version }, subscribe });
    }
    // The trust bundle is sent to a pod that is unknown too: then all messages before have been read.
    await proxy.subscribe(MESSAGES + 1, { kind: "trust bundle" }).trustBundle();
    expect(usedBytes() - before).toBeLessThan((MESSAGES * MESSAGE_BYTES) / 4);
  });

  it("is not the whole of an endless reason, nor of the name of a root", () => {
    const grown = bytesOf(MESSAGES, (index) => {
      const record = new StreamRecord();
      const reason = `${index}`.padEnd(MESSAGE_BYTES, "x");
      record.sent(1, [{ id: 1, kind: "trust bundle", encoded: new Uint8Array() }], 0);
      const rejections = [create(RejectionSchema, { id: 1, reason, root: `${reason}root` })];
      const find = () => ({ kind: "trust bundle", resource: "trust bundle" }) as const;
      record.acknowledged(create(AcknowledgementSchema, { nonce: 1, rejections }), find, 0);
      expect(record.rejections[0]?.reason).toHaveLength(256);
      return record;
    });
    expect(grown).toBeLessThan((MESSAGES * MESSAGE_BYTES) / 4);
  });
});
