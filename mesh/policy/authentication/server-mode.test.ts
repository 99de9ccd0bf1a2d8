import { describe, expect, it } from "vitest";
import { createTestSet, findTestPod, TEST_SETTINGS, testPod } from "../../resources/resource-set-fixture.ts";
import { decideServerMode } from "./server-mode.ts";
import { decide, peer } from "./server-mode-fixture.ts";

const strict = { mtls: { mode: "STRICT" } };
const disable = { mtls: { mode: "DISABLE" } };
const unset = { mtls: { mode: "UNSET" } };
const forWorld = { selector: { matchLabels: { app: "world" } } };

describe("decideServerMode with PeerAuthentication", () => {
  it.each([
    { name: "no rule: PERMISSIVE", rules: [], mode: "PERMISSIVE", rule: "default" },
    {
      name: "the mesh's rule",
      rules: [peer("default", "istio-system", strict)],
      mode: "STRICT",
      rule: "PeerAuthentication/default.istio-system",
    },
    {
      name: "the namespace's rule overrides the mesh's",
      rules: [peer("default", "istio-system", strict), peer("default", "ns1", disable)],
      mode: "DISABLE",
      rule: "PeerAuthentication/default.ns1",
    },
    {
      name: "the workload's rule overrides the namespace's",
      rules: [peer("default", "ns1", disable), peer("world", "ns1", { ...forWorld, ...strict })],
      mode: "STRICT",
      rule: "PeerAuthentication/world.ns1",
    },
    {
      name: "UNSET inherits",
      rules: [
        peer("default", "istio-system", strict),
        peer("default", "ns1", unset),
        peer("world", "ns1", { ...forWorld, ...unset }),
      ],
      mode: "STRICT",
      rule: "PeerAuthentication/default.istio-system",
    },
    {
      name: "absent mtls is UNSET",
      rules: [peer("default", "istio-system", strict), peer("world", "ns1", forWorld)],
      mode: "STRICT",
      rule: "PeerAuthentication/default.istio-system",
    },
    {
      name: "UNSET for the mesh is PERMISSIVE",
      rules: [peer("default", "istio-system", unset)],
      mode: "PERMISSIVE",
      rule: "default",
    },
    {
      name: "rules of other namespaces do not apply",
      rules: [peer("default", "ns2", strict)],
      mode: "PERMISSIVE",
      rule: "default",
    },
    {
      name: "selectors of other workloads do not apply",
      rules: [peer("x", "ns1", { selector: { matchLabels: { app: "hello" } }, ...strict })],
      mode: "PERMISSIVE",
      rule: "default",
    },
    {
      name: "a selector in the root namespace is ignored",
      rules: [peer("x", "istio-system", { ...forWorld, ...strict })],
      mode: "PERMISSIVE",
      rule: "default",
    },
    {
      name: "empty matchLabels are no selector",
      rules: [peer("x", "ns1", { selector: { matchLabels: {} }, ...strict })],
      mode: "STRICT",
      rule: "PeerAuthentication/x.ns1",
    },
    {
      name: "only the oldest rule of a scope applies",
      rules: [peer("a", "ns1", disable, "2026-01-02T00:00:00Z"), peer("b", "ns1", strict, "2026-01-01T00:00:00Z")],
      mode: "STRICT",
      rule: "PeerAuthentication/b.ns1",
    },
    {
      name: "of the same age, the first rule by name applies",
      rules: [peer("b", "ns1", disable), peer("a", "ns1", strict)],
      mode: "STRICT",
      rule: "PeerAuthentication/a.ns1",
    },
    {
      name: "a younger rule is ignored even if the older one is UNSET",
      rules: [peer("a", "ns1", unset), peer("b", "ns1", strict)],
      mode: "PERMISSIVE",
      rule: "default",
    },
  ])("$name", ({ rules, mode, rule }) => {
    expect(decide(rules)).toEqual({ mode, rule });
  });

  const portLevel = { ...forWorld, ...strict, portLevelMtls: { 8080: { mode: "DISABLE" }, 9090: { mode: "UNSET" } } };
  it.each([
    { name: "a port by its container number", port: 8080, mode: "DISABLE" },
    { name: "an UNSET port as its workload", port: 9090, mode: "STRICT" },
    { name: "other ports as their workload", port: 7070, mode: "STRICT" },
    { name: "the service's port number has no effect", port: 80, mode: "STRICT" },
  ])("decides $name", ({ port, mode }) => {
    expect(decide([peer("world", "ns1", portLevel)], port).mode).toBe(mode);
  });

  it("ignores selectors in the root namespace for that namespace's own pods too", () => {
    const rules = [peer("x", "istio-system", { ...forWorld, ...strict })];
    const set = createTestSet(testPod({ name: "world", namespace: "istio-system" }), ...rules);
    const pod = findTestPod(set, "istio-system/world");
    expect(decideServerMode({ set, settings: TEST_SETTINGS, pod }).rule).toBe("default");
  });

  it("uses port-level settings only of the rule that applies to the workload", () => {
    const loser = peer("z", "ns1", { ...forWorld, portLevelMtls: { 8080: { mode: "DISABLE" } } });
    expect(decide([peer("a", "ns1", { ...forWorld, ...strict }), loser]).mode).toBe("STRICT");
  });
});
