import { describe, expect, it } from "vitest";
import { testResource, testService } from "../resources/resource-set-fixture.ts";
import { analyze } from "./policy-analysis-fixture.ts";

const tls = (subjectAltNames: readonly string[]) =>
  testResource(
    "DestinationRule",
    "there",
    { host: "web", trafficPolicy: { tls: { mode: "ISTIO_MUTUAL", subjectAltNames } } },
    { namespace: "ns1" },
  );
const nameIn = (domain: string) => `spiffe://${domain}/ns/shop/sa/web`;

describe("the identities that a DestinationRule expects of servers", () => {
  it("are reported if the mesh does not trust their domain", () => {
    const warnings = analyze(testService({ name: "web" }), tls([nameIn("own.example"), nameIn("unknown.example")]));
    expect(warnings.filter((line) => line.startsWith("ENT0025"))).toEqual([
      expect.stringMatching(
        /DestinationRule\/there\.ns1: spec\.trafficPolicy\.tls\.subjectAltNames: the mesh does not trust unknown\.example/,
      ),
    ]);
  });

  it("may be of the mesh, of an alias and of a foreign domain that it trusts", () => {
    const names = ["own.example", "old.example", "foreign.example"].map(nameIn);
    expect(analyze(testService({ name: "web" }), tls(names)).filter((line) => line.startsWith("ENT0025"))).toEqual([]);
  });
});
