import { describe, expect, it } from "vitest";
import { type DecisionInput, decide, MUTUAL, PLAIN, rule } from "./client-tls-fixture.ts";

describe("the DestinationRule that applies", () => {
  it.each([
    {
      name: "one in the client's namespace before one in the service's",
      rules: [rule("c", "ns1", { trafficPolicy: PLAIN }), rule("s", "ns2", { trafficPolicy: MUTUAL })],
      chosen: "c.ns1",
    },
    {
      name: "one in the service's namespace before one in the root namespace",
      rules: [rule("r", "istio-system", { trafficPolicy: PLAIN }), rule("s", "ns2", { trafficPolicy: MUTUAL })],
      chosen: "s.ns2",
    },
    {
      name: "one whose host has a trailing dot",
      rules: [
        rule("wild", "ns2", { host: "*.local.", trafficPolicy: MUTUAL }),
        rule("s", "ns2", { host: "WORLD.ns2.svc.cluster.local.", trafficPolicy: PLAIN }),
      ],
      chosen: "s.ns2",
    },
    {
      name: "one in the root namespace before one in any other",
      rules: [
        rule("x", "default", { trafficPolicy: PLAIN }),
        rule("r", "istio-system", { host: "*.local", trafficPolicy: MUTUAL }),
      ],
      chosen: "r.istio-system",
    },
    {
      name: "a wildcard of an earlier namespace before an exact host of a later one",
      rules: [rule("c", "ns1", { host: "*", trafficPolicy: PLAIN }), rule("s", "ns2", { trafficPolicy: MUTUAL })],
      chosen: "c.ns1",
    },
    {
      name: "one in any namespace if none of the three has one",
      rules: [rule("enable-mtls", "default", { host: "*.local", trafficPolicy: MUTUAL })],
      chosen: "enable-mtls.default",
    },
    {
      name: "the most specific host among rules of any namespace",
      rules: [
        rule("enable-mtls", "default", { host: "*.local", trafficPolicy: MUTUAL }),
        rule("off", "other", { trafficPolicy: PLAIN }),
      ],
      chosen: "off.other",
    },
    {
      name: "the most specific host within a namespace",
      rules: [
        rule("wide", "ns2", { host: "*.local", trafficPolicy: PLAIN }),
        rule("exact", "ns2", { trafficPolicy: MUTUAL }),
      ],
      chosen: "exact.ns2",
    },
    {
      name: "a short name in the rule's own namespace",
      rules: [rule("s", "ns2", { host: "world", trafficPolicy: PLAIN })],
      chosen: "s.ns2",
    },
    {
      name: "the oldest rule's traffic policy for a host",
      rules: [
        rule("a", "ns2", { trafficPolicy: PLAIN }, "2026-01-02T00:00:00Z"),
        rule("b", "ns2", { trafficPolicy: MUTUAL }, "2026-01-01T00:00:00Z"),
      ],
      chosen: "b.ns2",
    },
    {
      name: "the next rule's traffic policy if the oldest has none",
      rules: [rule("a", "ns2", {}), rule("b", "ns2", { trafficPolicy: PLAIN })],
      chosen: "b.ns2",
    },
    {
      name: "a rule exported to the client",
      rules: [rule("s", "ns2", { trafficPolicy: PLAIN, exportTo: ["ns1"] })],
      chosen: "s.ns2",
    },
    {
      name: "a rule for this client's labels",
      rules: [rule("c", "ns1", { trafficPolicy: PLAIN, workloadSelector: { matchLabels: { app: "hello" } } })],
      labels: { app: "hello" },
      chosen: "c.ns1",
    },
    {
      name: "a rule for the client's labels before one for all",
      rules: [
        rule("a", "ns1", { trafficPolicy: PLAIN }),
        rule("b", "ns1", { trafficPolicy: MUTUAL, workloadSelector: { matchLabels: { app: "hello" } } }),
      ],
      labels: { app: "hello" },
      chosen: "b.ns1",
    },
    {
      name: "for a client in the root namespace, its private rule first",
      client: "istio-system",
      rules: [
        rule("r", "istio-system", { trafficPolicy: PLAIN, exportTo: ["."] }),
        rule("s", "ns2", { trafficPolicy: MUTUAL }),
      ],
      chosen: "r.istio-system",
    },
    {
      name: "for a client in the root namespace, the service's rule before its public one",
      client: "istio-system",
      rules: [rule("r", "istio-system", { trafficPolicy: PLAIN }), rule("s", "ns2", { trafficPolicy: MUTUAL })],
      chosen: "s.ns2",
    },
  ] satisfies (DecisionInput & { name: string; chosen: string })[])("is $name", ({ chosen, ...input }) => {
    expect(decide(input).rule).toBe(`DestinationRule/${chosen}`);
  });

  it.each([
    { name: "a short name of another namespace", rules: [rule("s", "ns1", { host: "world", trafficPolicy: PLAIN })] },
    {
      name: "a host with one dot, which is used literally",
      rules: [rule("s", "ns2", { host: "world.ns2", trafficPolicy: PLAIN })],
    },
    {
      name: "a rule that is private to another namespace",
      rules: [rule("s", "ns2", { trafficPolicy: PLAIN, exportTo: ["."] })],
    },
    {
      name: "a rule exported only to others",
      rules: [rule("x", "default", { trafficPolicy: PLAIN, exportTo: ["ns3"] })],
    },
    {
      name: "a rule for other labels",
      rules: [rule("c", "ns1", { trafficPolicy: PLAIN, workloadSelector: { matchLabels: { app: "x" } } })],
    },
    {
      name: "a rule with a selector in another namespace",
      rules: [rule("s", "ns2", { trafficPolicy: PLAIN, workloadSelector: { matchLabels: {} } })],
    },
  ])("is never $name", (input) => {
    expect(decide(input)).toEqual({ kind: "auto", rule: "auto mTLS" });
  });
});
