import { expect, it } from "vitest";
import { tagOfPodUid } from "../identity/pod-tag.ts";
import { parseSpiffeId } from "../identity/spiffe-id.ts";
import { formatCaller, type PeerContext, type ProvenCaller } from "./peer-context.ts";
import { verifiedPeer } from "./peer-fixture.ts";

const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const world = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/world");
const address = "10.0.0.7";
const podTag = tagOfPodUid("u1");
const present = verifiedPeer({ identity, podTag, address });
const { podTag: _, ...untagged } = present;
const renewed = { ...present.certificate, serialNumber: "A1" };

it.each<{ name: string; other: PeerContext | ProvenCaller; isSame: boolean }>([
  { name: "another certificate of the pod", other: { ...present, certificate: renewed }, isSame: true },
  { name: "a token of the pod", other: { kind: "proven", identity, podTag, address }, isSame: true },
  { name: "another pod at the address", other: { ...present, podTag: tagOfPodUid("u2") }, isSame: false },
  { name: "another identity", other: { ...present, identity: world }, isSame: false },
  { name: "the same certificate from elsewhere", other: { ...present, address: "10.0.0.8" }, isSame: false },
  { name: "a certificate without a pod", other: untagged, isSame: false },
  { name: "a caller without a certificate", other: { kind: "anonymous", reason: "", address }, isSame: false },
])("$name is the same caller: $isSame", ({ other, isSame }) => {
  expect(formatCaller(other) === formatCaller(present)).toBe(isSame);
});

it("certificates that name no pod are one caller at an address", () => {
  expect(formatCaller({ ...untagged, certificate: renewed })).toBe(formatCaller(untagged));
});
