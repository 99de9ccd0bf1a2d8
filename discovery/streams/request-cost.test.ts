import { fromBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { DiscoverRequestSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { costOf } from "./request-cost.ts";

/** Room in a message of 64 KB. */
const BYTES = 60_000;
/** Tags of fields (protobuf's wire format): a number's, and those of a text, message or packed list. */
const number = (field: number): number => field << 3;
const sized = (field: number): number => (field << 3) | 2;

/** As many of these bytes as fit. */
function filled(...pattern: readonly number[]): Buffer {
  return Buffer.alloc(BYTES - (BYTES % pattern.length), Buffer.from(pattern));
}

/** A field with this content. */
function field(tag: number, content: Buffer): Buffer {
  const length = [(content.length & 127) | 128, ((content.length >> 7) & 127) | 128, content.length >> 14];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const UNKNOWN = filled(number(15), 1);

it.each([
  { name: "numbers to unsubscribe from, packed", bytes: field(sized(3), filled(1)) },
  { name: "numbers to unsubscribe from, one by one", bytes: filled(number(3), 1) },
  { name: "empty subscriptions", bytes: filled(sized(2), 0) },
  { name: "empty rejections", bytes: field(sized(4), filled(sized(2), 0)) },
  { name: "unknown fields", bytes: UNKNOWN },
  { name: "unknown fields of the proxy", bytes: field(sized(1), UNKNOWN) },
  { name: "unknown fields of the acknowledgement", bytes: field(sized(4), UNKNOWN) },
  { name: "unknown fields of a subscription", bytes: field(sized(2), UNKNOWN) },
  { name: "unknown fields of what is subscribed to", bytes: field(sized(2), field(sized(5), UNKNOWN)) },
  { name: "one unknown group of fields", bytes: Buffer.concat([Buffer.from([0x7b]), UNKNOWN, Buffer.from([0x7c])]) },
])("a request full of $name costs at least as much as a thousand subscriptions", ({ bytes }) => {
  expect(costOf(fromBinary(DiscoverRequestSchema, bytes))).toBeGreaterThan(1000);
});

it("an ordinary request costs as much as its subscriptions", () => {
  const subscribe = Buffer.from([sized(2), 4, number(1), 7, sized(3), 0]);
  expect(costOf(fromBinary(DiscoverRequestSchema, subscribe))).toBe(2);
});
