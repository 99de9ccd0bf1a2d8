import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import { reviewResource } from "./review-resource.ts";

type Json = Readonly<Record<string, unknown>>;

const STRICT: Json = {
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name: "default", namespace: "ns1" },
  spec: { mtls: { mode: "STRICT" } },
};

const POLICY_METADATA = { name: "deny", namespace: "ns1" };
const DENY: Json = {
  ...STRICT,
  kind: "AuthorizationPolicy",
  metadata: POLICY_METADATA,
  spec: { action: "DENY", rules: [{}] },
};
const UNCLEAR = { "istio.io/dry-run": "maybe" };

const BROKEN: Json = { ...STRICT, spec: { mtls: { mode: "STRICKT" } } };

function responseTo(request: Json, warnings: readonly string[] = []) {
  const kind = { group: "security.istio.io", version: "v1", kind: "PeerAuthentication" };
  const whole = { uid: "u-1", kind, operation: "CREATE", namespace: "ns1", ...request };
  const text = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: whole });
  const result = reviewResource(text, { analyze: () => warnings });
  if (result.kind === "malformed") throw new Error(result.message);
  return result.review.response;
}

describe("a resource of the mesh", () => {
  it("that is valid is allowed", () => {
    expect(responseTo({ object: STRICT })).toEqual({ uid: "u-1", allowed: true });
  });

  it.each([
    { name: "a misspelled mode", object: BROKEN },
    {
      name: "a missing spec",
      object: { ...STRICT, kind: "DestinationRule", apiVersion: "networking.istio.io/v1", spec: null },
    },
    { name: "a version that does not exist", object: { ...STRICT, apiVersion: "security.istio.io/v3" } },
    { name: "a kind without effect", object: { ...STRICT, kind: "WasmPlugin" } },
    {
      name: "a policy that denies nothing",
      object: { ...STRICT, kind: "AuthorizationPolicy", spec: { action: "DENY" } },
    },
    {
      name: "two faults",
      object: { ...STRICT, spec: { mtls: { mode: 1 }, portLevelMtls: { "99999": { mode: "STRICT" } } } },
    },
  ])("with $name is refused in the words that the control plane uses", ({ object }) => {
    const { problems } = parseResources({ text: formatKubernetesYaml(object), file: "x.yaml" });
    const errors = problems.filter(({ severity }) => severity === "error");
    expect(errors).not.toEqual([]);
    const { allowed, status } = responseTo({ object });
    expect(allowed).toBe(false);
    expect(status?.code).toBe(422);
    for (const { message, field } of errors) {
      expect(status?.message).toContain(message);
      expect(status?.message).toContain(field ?? "");
    }
  });

  it("gets a warning for each field without effect, and for what the analysis finds", () => {
    const object = {
      ...STRICT,
      apiVersion: "networking.istio.io/v1",
      kind: "DestinationRule",
      spec: { host: "world", trafficPolicy: { outlierDetection: {} } },
    };
    const { allowed, warnings } = responseTo({ object }, ["no service has the host world"]);
    expect(allowed).toBe(true);
    expect(warnings?.join("\n")).toContain("spec.trafficPolicy.outlierDetection");
    expect(warnings?.at(-1)).toBe("no service has the host world");
  });

  it.each([
    { name: "is deleted", request: { operation: "DELETE", object: null, oldObject: BROKEN } },
    {
      name: "gets a status",
      request: { operation: "UPDATE", subResource: "status", object: BROKEN, oldObject: STRICT },
    },
    {
      name: "loses its finalizers while it is being deleted",
      request: {
        operation: "UPDATE",
        object: { ...BROKEN, metadata: { name: "default", deletionTimestamp: "2030-01-01T00:00:00Z" } },
        oldObject: STRICT,
      },
    },
    {
      name: "was invalid before and gets a label",
      request: {
        operation: "UPDATE",
        object: { ...BROKEN, metadata: { name: "default", namespace: "ns1", labels: { a: "b" } } },
        oldObject: BROKEN,
      },
    },
  ])("is allowed as it is if it $name", ({ request }) => {
    expect(responseTo(request)).toEqual({ uid: "u-1", allowed: true });
  });

  it.each([
    { name: "becomes invalid", request: { object: BROKEN, oldObject: STRICT } },
    {
      name: "gets an annotation that lets it be without effect, and is not understood",
      request: { object: { ...DENY, metadata: { ...POLICY_METADATA, annotations: UNCLEAR } }, oldObject: DENY },
    },
    { name: "stays invalid in another way", request: { object: { ...BROKEN, spec: { mtls: 1 } }, oldObject: BROKEN } },
  ])("is refused if it $name", ({ request }) => {
    expect(responseTo({ operation: "UPDATE", ...request }).allowed).toBe(false);
  });

  it("is validated when it is created, whatever it is said to have been before", () => {
    expect(responseTo({ object: BROKEN, oldObject: BROKEN }).allowed).toBe(false);
  });

  it("is reviewed in a dry run like in a real one", () => {
    expect(responseTo({ dryRun: true, object: BROKEN })).toEqual(responseTo({ object: BROKEN }));
  });

  it("without an object, or of another AdmissionReview version, is refused", () => {
    expect(responseTo({ object: null })).toMatchObject({ allowed: false, status: { code: 400 } });
    const text = JSON.stringify({
      apiVersion: "admission.k8s.io/v1beta1",
      kind: "AdmissionReview",
      request: { uid: "1" },
    });
    expect(reviewResource(text, { analyze: () => [] })).toMatchObject({ outcome: "refused" });
  });

  it.each([
    { name: "few values", count: 16_000, path: "x".repeat(60) },
    { name: "more values than are read", count: 40_000, path: "x" },
  ])("of more than 1.5 MB with $name is answered within the API server's patience", ({ count, path }) => {
    const match = (i: number) => [{ uri: { prefix: `/${path}/${i}` } }];
    const http = Array.from({ length: count }, (_, i) => ({ match: match(i), timeout: "soon" }));
    const header = { ...STRICT, kind: "VirtualService", apiVersion: "networking.istio.io/v1" };
    const object = { ...header, spec: { hosts: ["a"], http } };
    expect(JSON.stringify(object).length).toBeGreaterThan(1_500_000);
    const before = process.cpuUsage();
    const { allowed, status } = responseTo({ object, oldObject: object, operation: "CREATE" });
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(8_000);
    expect(allowed).toBe(false);
    // A terminal's page, not the whole object.
    expect(status?.message.length).toBeLessThanOrEqual(4_200);
  });
});

describe("any text", () => {
  it("is reviewed or malformed, and never an exception", () => {
    const envelope = fc.record({
      apiVersion: fc.constant("admission.k8s.io/v1"),
      kind: fc.constant("AdmissionReview"),
      request: fc.record({
        uid: fc.constant("1"),
        operation: fc.constantFrom("CREATE", "UPDATE", "DELETE", "x"),
        object: fc.oneof(fc.jsonValue(), fc.record({ ...constants(STRICT), spec: fc.jsonValue() })),
        oldObject: fc.jsonValue(),
      }),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          envelope.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          expect(["reviewed", "malformed"]).toContain(reviewResource(text, { analyze: () => [] }).kind);
        },
      ),
    );
  });
});

function constants({ apiVersion, kind, metadata }: Json) {
  return { apiVersion: fc.constant(apiVersion), kind: fc.constant(kind), metadata: fc.constant(metadata) };
}
