import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { readObject } from "./followed-object.ts";
import { createEvent, createStatus, reportOf } from "./invalid-object-report.ts";

const kind = fc.constantFrom(
  { apiVersion: "v1", kind: "Pod" },
  { apiVersion: "v1", kind: "Service" },
  { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" },
  { apiVersion: "security.istio.io/v1", kind: "PeerAuthentication" },
  { apiVersion: "authentication.istio.io/v1alpha1", kind: "MeshPolicy" },
  { apiVersion: "authentication.istio.io/v1alpha1", kind: "Policy" },
  { apiVersion: "networking.istio.io/v1", kind: "DestinationRule" },
  { apiVersion: "networking.istio.io/v1", kind: "VirtualService" },
);

/** As the client gives them: JSON in which only `apiVersion`, `kind` and `metadata.name` were validated. */
const object = fc
  .record({
    kind,
    metadata: fc.dictionary(fc.constantFrom("labels", "annotations", "uid", "ownerReferences"), fc.jsonValue()),
    content: fc.dictionary(fc.constantFrom("spec", "status", "endpoints", "ports", "addressType"), fc.jsonValue()),
  })
  .map(({ kind: header, metadata, content }): KubernetesObject => {
    const text = JSON.stringify({ ...content, ...header, metadata: { ...metadata, name: "a", namespace: "ns1" } });
    return JSON.parse(text);
  });

describe("any object of the API server", () => {
  it("is read without an exception, is valid or has an error, and can be reported", () => {
    fc.assert(
      fc.property(object, (given) => {
        const read = readObject(given);
        if (read === undefined) return;
        expect(read.key).toBe("ns1/a");
        const report = reportOf(read);
        expect(report === undefined).toBe(read.resource !== undefined);
        if (report === undefined || read.reference === undefined) return;
        expect(report.errors.length).toBeGreaterThan(0);
        const { note } = createEvent(read.reference, report, { instance: "a", nowMs: 0 });
        expect(Buffer.byteLength(String(note))).toBeLessThanOrEqual(1024);
        expect(() =>
          JSON.stringify(createStatus(read.reference ?? { ...given, name: "a" }, read, report, 0)),
        ).not.toThrow();
      }),
      { numRuns: 1000 },
    );
  });
});
