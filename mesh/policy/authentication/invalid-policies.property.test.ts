import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { damageOf, type Json, unreadableParts } from "../../resources/parsing/damage-fixture.ts";
import { parseObject } from "../../resources/parsing/parse-resources.ts";
import { coldStartWith, modes } from "./cold-start-fixture.ts";

const STRICT_POLICIES: readonly { [field: string]: Json }[] = [
  {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name: "rule", namespace: "ns1" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      mtls: { mode: "STRICT" },
      portLevelMtls: { "80": { mode: "STRICT" } },
    },
  },
  {
    apiVersion: "authentication.istio.io/v1alpha1",
    kind: "Policy",
    metadata: { name: "web", namespace: "ns1" },
    spec: { targets: [{ name: "web", ports: [{ number: 8080 }] }], peers: [{ mtls: { mode: "STRICT" } }] },
  },
  {
    apiVersion: "authentication.istio.io/v1alpha1",
    kind: "MeshPolicy",
    metadata: { name: "default" },
    spec: { peers: [{ mtls: { mode: "STRICT" } }] },
  },
];

describe("any damage to a STRICT policy", () => {
  it("leaves its workload STRICT, unless the result is a valid document", () => {
    fc.assert(
      fc.property(damageOf(STRICT_POLICIES), ({ path, damaged }) => {
        if (typeof damaged !== "object" || damaged === null || Array.isArray(damaged)) return;
        const parsed = parseObject(damaged);
        // A mapping that no longer says what it is cannot be known to be a policy.
        if (path.length === 0 || !parsed.problems.some(({ severity }) => severity === "error")) return;
        expect(modes(coldStartWith(parsed), 8080)["ns1/web"]).toBe("STRICT");
      }),
      { numRuns: 500, examples: unreadableParts(STRICT_POLICIES).map((part) => [part]) },
    );
  });
});
