import { expect, it } from "vitest";
import { formatTaggedSerial, TAGGED_SERIAL_BYTES, tagOfIdentity, tagOfPodUid } from "../identity/pod-tag.ts";
import { parseSpiffeId } from "../identity/spiffe-id.ts";
import { formatCaller, type PeerContext } from "./peer-context.ts";
import { verifiedPeer } from "./peer-fixture.ts";

const hello = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const world = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/world");

/** @param last its last octet @param tag @default that of the pod u1 */
function certificateOf(last: number, tag = tagOfPodUid("u1")) {
  const serial = formatTaggedSerial(new Uint8Array(TAGGED_SERIAL_BYTES).fill(last), tag);
  return { serialNumber: Buffer.from(serial).toString("hex").toUpperCase(), rootFingerprint: "", authorities: [] };
}

function untagged(serialNumber: string) {
  return { serialNumber, rootFingerprint: "", authorities: [] };
}

const present = verifiedPeer({ identity: hello, certificate: certificateOf(1), address: "10.0.0.7" });

it.each<{ name: string; other: PeerContext; isSame: boolean }>([
  { name: "a renewed certificate of the pod", other: { ...present, certificate: certificateOf(2) }, isSame: true },
  {
    name: "another pod at the address",
    other: { ...present, certificate: certificateOf(1, tagOfPodUid("u2")) },
    isSame: false,
  },
  { name: "another identity", other: { ...present, identity: world }, isSame: false },
  { name: "the same certificate from elsewhere", other: { ...present, address: "10.0.0.8" }, isSame: false },
  { name: "a certificate without a tag", other: { ...present, certificate: untagged("A1") }, isSame: false },
  {
    name: "a caller without a certificate",
    other: { kind: "anonymous", reason: "", address: "10.0.0.7" },
    isSame: false,
  },
])("$name is the same caller: $isSame", ({ other, isSame }) => {
  expect(formatCaller(other) === formatCaller(present)).toBe(isSame);
});

it("certificates that name no pod are one caller, by whichever serial numbers their authority chooses", () => {
  const serials = ["A1", "B2", "706F64", `706F64${"AB".repeat(8)}`, `00706F64${"AB".repeat(17)}`, `${"AB".repeat(20)}`];
  const callers = serials.map((serialNumber) => formatCaller({ ...present, certificate: untagged(serialNumber) }));
  expect(new Set(callers)).toEqual(new Set([`${hello} at 10.0.0.7`]));
});

it("callers of an identity that have no pod are one caller at an address, with each certificate", () => {
  const callers = [1, 2, 3].map((last) =>
    formatCaller({ ...present, certificate: certificateOf(last, tagOfIdentity(hello)) }),
  );
  expect(new Set(callers).size).toBe(1);
});
