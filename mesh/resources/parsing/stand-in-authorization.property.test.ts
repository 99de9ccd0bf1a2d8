import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AuthorizationPolicy } from "../kinds/authorization-policy.ts";
import { createResourceSet } from "../resource-set.ts";
import { damageOf, type Json, unreadableParts } from "./damage-fixture.ts";
import { parseObject } from "./parse-resources.ts";

const HEADER = { apiVersion: "security.istio.io/v1", metadata: { name: "x", namespace: "ns1" } };
const SELECTOR = { matchLabels: { app: "web" } };

const POLICIES: readonly { [field: string]: Json }[] = [
  {
    ...HEADER,
    kind: "AuthorizationPolicy",
    spec: {
      selector: SELECTOR,
      action: "DENY",
      rules: [
        {
          from: [{ source: { namespaces: ["a"], ipBlocks: ["10.0.0.0/8"] } }],
          to: [{ operation: { ports: ["80"], paths: ["/a/{*}"] } }],
          when: [{ key: "source.ip", values: ["10.0.0.1"] }],
        },
      ],
    },
  },
  {
    ...HEADER,
    kind: "AuthorizationPolicy",
    metadata: { ...HEADER.metadata, annotations: { "istio.io/dry-run": "false" } },
    spec: { rules: [{ from: [{ source: { principals: ["a"] } }] }] },
  },
  { ...HEADER, kind: "AuthorizationPolicy", spec: { action: "CUSTOM", provider: { name: "p" }, rules: [{}] } },
];

const AUTHENTICATIONS: readonly { [field: string]: Json }[] = [
  {
    ...HEADER,
    kind: "RequestAuthentication",
    spec: {
      selector: SELECTOR,
      jwtRules: [
        { issuer: "i", jwks: '{"keys":[]}', fromHeaders: [{ name: "x", prefix: "y " }], outputPayloadToHeader: "x-p" },
      ],
    },
  },
];

/** Whether a policy denies everything to the workload `ns1/web`. */
function deniesAll({ metadata, spec }: AuthorizationPolicy): boolean {
  const labels = Object.entries(spec.selector?.matchLabels ?? {});
  const selects = labels.every(([label, value]) => label === "app" && value === "web");
  const covers = ["ns1", ""].includes(metadata.namespace) && selects && spec.targetRefs.length === 0;
  return (
    covers &&
    spec.action === "DENY" &&
    spec.rules.some(({ from, to, when }) => !from.length && !to.length && !when.length)
  );
}

/** What is known after a cold start with an invalid object; `undefined` if it is valid, or may be of another project. */
function coldStart(damaged: Json, path: readonly string[]) {
  if (typeof damaged !== "object" || damaged === null || Array.isArray(damaged) || path.length === 0) return undefined;
  const { problems, standIns } = parseObject(damaged);
  return problems.some(({ severity }) => severity === "error") ? createResourceSet(standIns) : undefined;
}

describe("any damage", () => {
  // A kind of any other name counts as one about peers, of which STRICT is the stand-in.
  it("to an AuthorizationPolicy denies everything to its workload, unless the result is a valid document", () => {
    fc.assert(
      fc.property(damageOf(POLICIES), ({ path, damaged }) => {
        const isMisspelled = path[0] === "kind" && typeof Object(damaged).kind === "string";
        const set = isMisspelled ? undefined : coldStart(damaged, path);
        if (set === undefined) return;
        expect([...set.authorizationPolicies.values()].some(deniesAll)).toBe(true);
      }),
      { numRuns: 2000, examples: unreadableParts(POLICIES).map((part) => [part]) },
    );
  });

  it("to a RequestAuthentication refuses its tokens, or denies, unless the result is a valid document", () => {
    fc.assert(
      fc.property(damageOf(AUTHENTICATIONS), ({ path, damaged }) => {
        const set = path[0] === "kind" ? undefined : coldStart(damaged, path);
        if (set === undefined) return;
        const [standIn] = set.requestAuthentications.values();
        const isRefused = standIn?.spec.jwtRules.some(({ issuer }) => issuer === "unreadable") === true;
        const isDenied = [...set.index.authorizationPoliciesByNamespace.values()].flat().some(deniesAll);
        expect(isRefused || isDenied).toBe(true);
      }),
      { numRuns: 2000, examples: unreadableParts(AUTHENTICATIONS).map((part) => [part]) },
    );
  });
});
