import { describe, expect, it } from "vitest";
import { parseReason, parseTarget } from "./target-options.ts";

describe("what is revoked", () => {
  it.each([
    { serial: "3f09c2", serialNumber: "3F09C2" },
    { serial: "3F:09:C2", serialNumber: "3F09C2" },
    { serial: "0x3f09C2", serialNumber: "3F09C2" },
    { serial: "0X3F09C2", serialNumber: "3F09C2" },
    { serial: "0003F09C2", serialNumber: "3F09C2" },
    { serial: "00:ff:01", serialNumber: "FF01" },
    { serial: "7", serialNumber: "7" },
    { serial: `00${"FF".repeat(20)}`, serialNumber: "FF".repeat(20) },
  ])("is the certificate $serialNumber if it is written $serial", ({ serial, serialNumber }) => {
    expect(parseTarget({ serial })).toEqual({ kind: "serial", serialNumber });
  });

  it.each(["", "0", "0x", "00:00", "-1", "3F 09", "3F:9", "3F:09:", ":3F", "xyz", "3f09c2\n", "FF".repeat(21), "٣"])(
    "is not a certificate if it is written %j",
    (serial) => {
      expect(() => parseTarget({ serial })).toThrow("--serial must be a serial number in hexadecimal");
    },
  );

  it("is an identity or a pod", () => {
    const identity = "spiffe://cluster.local/ns/ns1/sa/web";
    expect(parseTarget({ identity })).toEqual({ kind: "identity", identity });
    const pod = { kind: "pod", namespace: "ns1", name: "web-0.a" };
    expect(parseTarget({ pod: "ns1/web-0.a" })).toEqual(pod);
    expect(parseTarget({ pod: "ns1/web-0.a", uid: "6f0c5a52-0D5e" })).toEqual({ ...pod, uid: "6f0c5a52-0D5e" });
  });

  it.each([
    { values: {}, message: "exactly one of --serial, --identity and --pod must be given, got 0" },
    { values: { serial: "1", pod: "ns1/web" }, message: "exactly one of --serial, --identity and --pod" },
    { values: { identity: "web" }, message: "--identity:" },
    { values: { identity: "spiffe://cluster.local/ns/ns1/sa/web/" }, message: "use spiffe://" },
    { values: { identity: "spiffe://Cluster.local/ns/ns1/sa/web" }, message: "not a trust domain" },
    { values: { pod: "web.ns1" }, message: '--pod must be NAMESPACE/NAME, got "web.ns1"' },
    { values: { pod: "ns1/" }, message: "--pod must be NAMESPACE/NAME" },
    { values: { pod: "ns1/web/x" }, message: "--pod must be NAMESPACE/NAME" },
    { values: { serial: "1", uid: "u" }, message: "--uid is for --pod" },
    { values: { pod: "ns1/web", uid: "" }, message: "--uid must be the uid of a pod" },
    { values: { pod: "ns1/web", uid: "a".repeat(65) }, message: "--uid must be the uid of a pod" },
    { values: { pod: "../web" }, message: "--pod must be NAMESPACE/NAME" },
  ])("is refused for $values", ({ values, message }) => {
    expect(() => parseTarget(values)).toThrow(message);
  });
});

describe("a reason", () => {
  it("is one line of text", () => {
    expect(parseReason("the key was in a backup: ticket 4711 – Zoë")).toBe(
      "the key was in a backup: ticket 4711 – Zoë",
    );
    expect(parseReason(undefined)).toBeUndefined();
  });

  it.each(["", "  ", "a\nb", "a\u001b[2J", "a\u2028b", "x".repeat(201)])("is not %j", (text) => {
    expect(() => parseReason(text)).toThrow("--reason must be one line");
  });
});
