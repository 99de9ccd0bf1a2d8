import { describe, expect, it } from "vitest";
import { IssuedCertificates } from "./issued-certificates.ts";

const NOW_MS = Date.parse("2030-01-01T00:00:00Z");
const DAY_MS = 86_400_000;
const pod = { namespace: "ns1", name: "hello", uid: "u1" };

function certificate(
  serialNumber: string,
  of: { namespace: string; name: string; uid?: string } = pod,
  lifetimeMs = DAY_MS,
) {
  return { serialNumber, notAfterMs: NOW_MS + lifetimeMs, pod: of };
}

describe("the certificates of a pod", () => {
  it("are those that have not expired, of the pod with this uid", () => {
    const issued = new IssuedCertificates();
    issued.record(certificate("A"), NOW_MS);
    issued.record(certificate("B", pod, 1000), NOW_MS);
    issued.record(certificate("C", { ...pod, uid: "u2" }), NOW_MS);
    issued.record(certificate("D", { namespace: "ns1", name: "hello" }), NOW_MS);
    issued.record(certificate("E", { ...pod, namespace: "ns2" }), NOW_MS);
    const serials = (of: Parameters<IssuedCertificates["of"]>[0], nowMs: number) =>
      issued.of(of, nowMs).map(({ serialNumber }) => serialNumber);
    expect(serials(pod, NOW_MS)).toEqual(["A", "B", "D"]);
    expect(serials(pod, NOW_MS + 1000)).toEqual(["A", "D"]);
    expect(serials({ namespace: "ns1", name: "hello" }, NOW_MS)).toEqual(["A", "B", "C", "D"]);
  });

  it("are announced once each, and one may be known of several pods", () => {
    const issued = new IssuedCertificates();
    const seen: string[] = [];
    issued.subscribe(({ serialNumber, pod: { name } }) => seen.push(`${serialNumber} ${name}`));
    const other = { namespace: "ns1", name: "sibling" };
    for (const known of [pod, pod, other]) issued.record(certificate("A", known), NOW_MS);
    expect(seen).toEqual(["A hello", "A sibling"]);
    expect(issued.find("A")).toHaveLength(2);
  });

  it("are at most a thousand: the oldest are forgotten", () => {
    const issued = new IssuedCertificates();
    for (let index = 0; index < 1500; index += 1) issued.record(certificate(`A${index}`), NOW_MS);
    expect(issued.of(pod, NOW_MS)).toHaveLength(1000);
    expect([issued.find("A499"), issued.find("A500").length]).toEqual([[], 1]);
  });

  it("are limited for all pods: those that were heard of least recently are forgotten", () => {
    const issued = new IssuedCertificates({ ofPod: 10, ofAll: 100 });
    for (let index = 0; index < 100; index += 1) {
      issued.record(certificate(`A${index}`, { namespace: "ns1", name: `pod-${index}` }), NOW_MS);
    }
    issued.record(certificate("A0", { namespace: "ns1", name: "pod-0" }), NOW_MS);
    issued.record(certificate("B", pod), NOW_MS);
    const known = (name: string): number => issued.of({ namespace: "ns1", name }, NOW_MS).length;
    expect([known("pod-0"), known("pod-1"), known("pod-2"), known("hello")]).toEqual([1, 0, 1, 1]);
  });
});
