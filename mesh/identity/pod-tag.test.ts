import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatTaggedSerial,
  parsePodTag,
  readPodTag,
  TAGGED_SERIAL_BYTES,
  tagOfPodName,
  tagOfPodUid,
} from "./pod-tag.ts";
import { normalizeSerialNumber } from "./serial-number.ts";

const octets = fc.uint8Array({ minLength: TAGGED_SERIAL_BYTES, maxLength: TAGGED_SERIAL_BYTES });
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();

describe("the tag of a pod", () => {
  // With sha256sum. Another value would lift every revocation that is in force.
  it("is the same in every version", () => {
    expect(tagOfPodUid("6f0c5a52-0d5e-4f36-8a0b-5e1f0c9d3b7e")).toBe("0E4C734FF9F022E9");
    expect(tagOfPodName({ namespace: "ns1", name: "hello-0" })).toBe("FD326D79355E45DB");
  });

  it("of a uid is no pod's whose name is that text", () => {
    expect(tagOfPodUid("ns1/hello-0")).not.toBe(tagOfPodName({ namespace: "ns1", name: "hello-0" }));
  });

  it.each(["", "0123456789abcdef", "0123456789ABCDE", "0123456789ABCDEF0", "0123456789ABCDEG", "0123456789ABCDEF\n"])(
    "is not %j",
    (text) => {
      expect(() => parsePodTag(text)).toThrow("pod_tag");
    },
  );
});

describe("a serial number with a tag", () => {
  it("is positive, as long as one may be, and names the pod, whatever is random in it", () => {
    fc.assert(
      fc.property(octets, fc.uuid(), (random, uid) => {
        const serial = formatTaggedSerial(random, tagOfPodUid(uid));
        expect(serial).toHaveLength(20);
        expect((serial[0] ?? 0) >> 4).toBe(7);
        expect(readPodTag(hex(serial))).toBe(tagOfPodUid(uid));
        expect(readPodTag(normalizeSerialNumber(hex(serial).toLowerCase()))).toBe(tagOfPodUid(uid));
      }),
    );
  });

  it("has 72 random bits behind the tag, and 64 more without a pod", () => {
    fc.assert(
      fc.property(octets, fc.integer({ min: 24, max: 159 }), (random, bit) => {
        const other = Uint8Array.from(random);
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
        expect(hex(formatTaggedSerial(other))).not.toBe(hex(formatTaggedSerial(random)));
        const tag = tagOfPodUid("u");
        const isSame = hex(formatTaggedSerial(other, tag)) === hex(formatTaggedSerial(random, tag));
        expect(isSame).toBe(bit < 88);
      }),
    );
  });

  it("is not that of an earlier version, nor of another authority", () => {
    const digits = fc.stringMatching(/^[0-9A-F]{1,40}$/).filter((text) => !/^706F64[0-9A-F]{34}$/.test(text));
    fc.assert(fc.property(fc.oneof(digits, fc.string()), (text) => void expect(readPodTag(text)).toBeUndefined()));
  });
});
