import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { messageFromTrustReadings, trustReadingsFromMessage } from "./convert-trust-readings.ts";
import { TrustReadingsSchema } from "./gen/discovery_pb.ts";

const DIGEST = "00ff".repeat(8);

it("readings are the same on the other side, with whole milliseconds on the safe side", () => {
  const readings = {
    controlPlane: "2f6b",
    plugged: { digest: DIGEST, ageMs: 12.2 },
    revocations: { digest: DIGEST, ageMs: 1, revisions: [999_999_999_999_999, 5, 0] },
    own: { digest: "", ageMs: -3 },
    lists: { digest: DIGEST, ageMs: 1e15 },
  };
  const encoded = toBinary(TrustReadingsSchema, messageFromTrustReadings(readings));
  expect(trustReadingsFromMessage(fromBinary(TrustReadingsSchema, encoded))).toEqual({
    controlPlane: "2f6b",
    plugged: { digest: DIGEST, ageMs: 13 },
    revocations: { digest: DIGEST, ageMs: 1, revisions: [999_999_999_999_999, 5, 0] },
    own: { digest: "", ageMs: 0 },
    lists: { digest: DIGEST, ageMs: 0xffff_ffff },
  });
});

it("what is kept of a message is short", () => {
  const digest = new Uint8Array(100_000);
  const revisions = Array.from({ length: 100_000 }, () => 0xffff_ffff_ffff_ffffn);
  const message = create(TrustReadingsSchema, {
    controlPlane: "x".repeat(100_000),
    revocations: { digest, revisions },
  });
  const { controlPlane, revocations } = trustReadingsFromMessage(message);
  expect([controlPlane.length, revocations?.digest.length, revocations?.revisions?.length]).toEqual([64, 128, 16]);
});
