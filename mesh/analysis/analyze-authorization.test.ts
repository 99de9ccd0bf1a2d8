import { describe, expect, it } from "vitest";
import { testResource, testService } from "../resources/resource-set-fixture.ts";
import {
  analyze,
  DENY,
  EDGE,
  forWeb,
  from,
  policy,
  SERVICE,
  STRICT,
  to,
  tokens,
  WEB,
} from "./policy-analysis-fixture.ts";

describe("the analysis of policies' effects warns of", () => {
  it.each([
    {
      name: "DENY with fields of requests alone",
      resources: [to({ methods: ["POST"] }, DENY)],
      warning: /^ENT0019 .*spec\.rules\[0\]: denies every connection of ports without HTTP.*add `ports`/,
    },
    {
      name: "DENY of which one operation has fields of requests alone",
      resources: [
        policy({ ...DENY, rules: [{}, { to: [{ operation: { ports: ["1"] } }, { operation: { paths: ["/"] } }] }] }),
      ],
      warning: /^ENT0019 .*spec\.rules\[1\]: denies every connection/,
    },
    {
      name: "ALLOW with fields of requests alone, for a stream",
      resources: [WEB, SERVICE, to({ methods: ["GET"] })],
      warning:
        /^ENT0019 AuthorizationPolicy\/p\.ns1: allows nothing on port 9000 of Service\/web\.ns1, .*unless another policy allows them/,
    },
    {
      name: "ALLOW with fields of requests alone, for two streams",
      resources: [
        WEB,
        testService({
          name: "web",
          ports: [
            { name: "tcp-a", port: 9001, targetPort: 9001 },
            { name: "tls-b", port: 9002, targetPort: 9002 },
          ],
        }),
        to({ methods: ["GET"] }),
      ],
      warning: /^ENT0019 .*allows nothing on the ports 9001, 9002 of Service\/web\.ns1/,
    },
    {
      name: "ALLOW of which each rule has a field of requests, for a stream",
      resources: [
        WEB,
        SERVICE,
        policy({ ...forWeb, rules: [{ when: [{ key: "request.headers[a]", values: ["b"] }] }] }),
      ],
      warning: /^ENT0019 .*allows nothing on port 9000/,
    },
    {
      name: "the principals of tokens that nothing verifies",
      resources: [WEB, from({ requestPrincipals: ["*"] })],
      warning: /^ENT0021 .*source\.requestPrincipals: no RequestAuthentication applies to Pod\/web\.ns1/,
    },
    {
      name: "claims of tokens that are verified for another workload",
      resources: [
        WEB,
        tokens({ selector: { matchLabels: { app: "db" } }, jwtRules: [{ issuer: "i" }] }),
        policy({ rules: [{ when: [{ key: "request.auth.claims[a]", values: ["b"] }] }] }),
      ],
      warning: /^ENT0021 .*when\[0\]\.values/,
    },
    {
      name: "DENY of an identity where plaintext is accepted",
      resources: [WEB, from({ namespaces: ["ns2"] }, DENY)],
      warning:
        /^ENT0022 .*source\.namespaces: does not stop clients in plaintext, .* accepted by Pod\/web\.ns1: make its PeerAuthentication STRICT/,
    },
    {
      name: "DENY of an identity in a condition where one workload accepts plaintext",
      resources: [
        WEB,
        STRICT,
        testResource("PeerAuthentication", "web", { ...forWeb, mtls: { mode: "DISABLE" } }, { namespace: "ns1" }),
        policy({ ...DENY, rules: [{ when: [{ key: "source.principal", values: ["a"] }] }] }),
      ],
      warning: /^ENT0022 .*when\[0\]\.values/,
    },
    {
      name: "hosts at a sidecar",
      resources: [WEB, ...EDGE, to({ notHosts: ["a.example"], ports: ["8080"] }, DENY)],
      warning:
        /^ENT0023 .*operation\.notHosts: is compared with what the client says: Pod\/web\.ns1 serves requests for any host/,
    },
    {
      name: "a Service's port",
      resources: [WEB, SERVICE, to({ ports: ["8080", "80"] })],
      warning:
        /^ENT0024 .*operation\.ports: 80 is a port of Service\/web\.ns1, but no container's: .* container port, 8080/,
    },
    {
      name: "a Service's port in a policy of the mesh",
      resources: [
        WEB,
        SERVICE,
        policy({ rules: [{ when: [{ key: "destination.port", notValues: ["80"] }] }] }, { namespace: "istio-system" }),
      ],
      warning: /^ENT0024 AuthorizationPolicy\/p\.istio-system: spec\.rules\[0\]\.when\[0\]\.notValues: 80 is a port/,
    },
  ])("$name", ({ resources, warning }) => {
    const warnings = analyze(...resources);
    expect(warnings.filter((line) => warning.test(line))).toHaveLength(1);
  });
});

describe("the analysis of policies' effects says nothing about", () => {
  const verified = tokens({ jwtRules: [{ issuer: "i" }] });

  it.each([
    { name: "DENY of requests with a port", resources: [to({ methods: ["POST"], ports: ["8080"] }, DENY)] },
    { name: "DENY of everything", resources: [policy({ ...DENY, rules: [{}] })] },
    {
      name: "DENY of requests of an address",
      resources: [
        policy({
          ...DENY,
          rules: [{ from: [{ source: { ipBlocks: ["10.0.0.0/8"] } }], to: [{ operation: { paths: ["/a"] } }] }],
        }),
      ],
    },
    {
      name: "ALLOW with a rule for streams",
      resources: [
        WEB,
        SERVICE,
        policy({
          rules: [{ to: [{ operation: { methods: ["GET"] } }] }, { to: [{ operation: { ports: ["9000"] } }] }],
        }),
      ],
    },
    { name: "ALLOW without rules", resources: [WEB, SERVICE, policy({})] },
    { name: "tokens that are verified", resources: [WEB, verified, from({ requestPrincipals: ["*"] })] },
    {
      name: "tokens that are verified in the whole mesh",
      resources: [WEB, tokens({ jwtRules: [{ issuer: "i" }] }, "istio-system"), from({ requestPrincipals: ["*"] })],
    },
    { name: "DENY of an identity under STRICT", resources: [WEB, STRICT, from({ namespaces: ["ns2"] }, DENY)] },
    { name: "DENY of all but an identity", resources: [WEB, from({ notNamespaces: ["ns2"] }, DENY)] },
    {
      name: "hosts at a gateway",
      resources: [
        WEB,
        ...EDGE,
        policy({
          selector: { matchLabels: { istio: "edge" } },
          rules: [{ to: [{ operation: { hosts: ["a.example"] } }] }],
        }),
      ],
    },
    { name: "the ports of containers, and others", resources: [WEB, SERVICE, to({ ports: ["8080", "9000", "1"] })] },
  ])("$name", ({ resources }) => {
    expect(analyze(...resources).filter((line) => !line.includes("IST0103"))).toEqual([]);
  });
});
