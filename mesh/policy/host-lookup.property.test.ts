import fc from "fast-check";
import { expect, it } from "vitest";
import { parseResources } from "../resources/parsing/parse-resources.ts";
import { createResourceSet } from "../resources/resource-set.ts";
import { TEST_SETTINGS, testResource } from "../resources/resource-set-fixture.ts";
import { expandHost } from "./destinations/destination-rules.ts";
import { findRulesForHost, findVirtualServicesForHost } from "./host-lookup.ts";
import { matchHost } from "./match-host.ts";

const { clusterDomain } = TEST_SETTINGS;
const label = fc.constantFrom("a", "b", "A");
const namespace = fc.constantFrom("a", "b");
const host = fc.oneof(
  label,
  fc.tuple(label, namespace).map((parts) => parts.join(".")),
  fc.tuple(label, namespace).map((parts) => `${parts.join(".")}.svc.${clusterDomain}`),
  fc.tuple(label, namespace).map((parts) => `${parts.join(".")}.svc.${clusterDomain}.`),
  fc.constantFrom("*", "*.a", "*.local", `*.b.svc.${clusterDomain}`, "a.example", "10.0.0.1"),
);
const rules = fc.array(fc.record({ host, namespace }), { maxLength: 8 });

it("every rule that matches a host is found under its keys, and one rule only once", () => {
  fc.assert(
    fc.property(rules, host, (given, dialled) => {
      const text = given.flatMap(({ host: of, namespace: owner }, index) => [
        testResource("DestinationRule", `r${index}`, { host: of }, { namespace: owner }),
        testResource("VirtualService", `v${index}`, { hosts: [of, "b"], http: [] }, { namespace: owner }),
      ]);
      const set = createResourceSet(parseResources({ text: text.join("\n---\n"), file: "test.yaml" }).resources);
      const matches = (pattern: string, owner: string) => matchHost(expandHost(pattern, owner, TEST_SETTINGS), dialled);
      const byRule = [...set.destinationRules.values()].filter(({ spec, metadata }) =>
        matches(spec.host, metadata.namespace),
      );
      const foundRules = findRulesForHost(set.index, dialled, clusterDomain);
      expect(new Set(foundRules).size).toBe(foundRules.length);
      expect(foundRules).toEqual(expect.arrayContaining(byRule));
      const byHosts = [...set.virtualServices.values()].filter(({ spec, metadata }) =>
        spec.hosts.some((pattern) => matches(pattern, metadata.namespace)),
      );
      const foundServices = findVirtualServicesForHost(set.index, dialled, clusterDomain);
      expect(new Set(foundServices).size).toBe(foundServices.length);
      expect(foundServices).toEqual(expect.arrayContaining(byHosts));
    }),
  );
});
