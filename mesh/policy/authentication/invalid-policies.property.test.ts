import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseObject } from "../../resources/parsing/parse-resources.ts";
import { coldStartWith, modes } from "./cold-start-fixture.ts";

type Json = string | number | boolean | null | Json[] | { [field: string]: Json };

/** All paths of a document. */
function pathsOf(value: Json, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([field, child]) => pathsOf(child, [...path, field]))];
}

function replaceAt(value: Json, path: readonly string[], by: Json): Json {
  const [field, ...rest] = path;
  if (field === undefined) return by;
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, Json> = Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, name === field ? replaceAt(child, rest, by) : child]),
  );
  return Array.isArray(value) ? Object.values(copy) : copy;
}

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

/** A field whose value no mapping can have, in place of each part that says what the document is. */
const UNREADABLE = STRICT_POLICIES.flatMap((policy) =>
  ["apiVersion", "kind", "metadata", "spec"].map((field): [[{ [field: string]: Json }, readonly string[], unknown]] => [
    [policy, [field], JSON.parse('{"__proto__": false}')],
  ]),
);

describe("any damage to a STRICT policy", () => {
  it("leaves its workload STRICT, unless the result is a valid document", () => {
    const damage = fc
      .constantFrom(...STRICT_POLICIES)
      .chain((policy) =>
        fc.tuple(fc.constant(policy), fc.constantFrom(...pathsOf(policy)), fc.jsonValue({ maxDepth: 2 })),
      );
    fc.assert(
      fc.property(damage, ([policy, path, value]) => {
        const damaged = replaceAt(policy, path, JSON.parse(JSON.stringify(value)));
        if (typeof damaged !== "object" || damaged === null || Array.isArray(damaged)) return;
        const parsed = parseObject(damaged);
        // A mapping that no longer says what it is cannot be known to be a policy.
        if (path.length === 0 || !parsed.problems.some(({ severity }) => severity === "error")) return;
        expect(modes(coldStartWith(parsed), 8080)["ns1/web"]).toBe("STRICT");
      }),
      { numRuns: 2000, examples: UNREADABLE },
    );
  });
});
