import { describe, expect, it } from "vitest";
import { testPod, testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { configurationOf, explain, policy, V1 } from "./explain-access-fixture.ts";

describe("a request", () => {
  it("is refused for a path without a safe reading", () => {
    const { workloads } = explain(configurationOf([V1]), { request: { path: "/a%00" } });
    expect(workloads[0]?.verdict).toMatchObject({ kind: "denied", by: "request" });
  });

  const role = policy("role", { rules: [{ when: [{ key: "request.headers[x-role]", values: ["admin"] }] }] });
  const byRemoteIp = policy("remote", { rules: [{ from: [{ source: { remoteIpBlocks: ["203.0.113.0/24"] } }] }] });
  const peer = policy("peer", {
    rules: [{ when: [{ key: "request.headers[x-forwarded-client-cert]", values: ["*"] }] }],
  });

  it.each([
    {
      name: "a header in two spellings is refused",
      rules: role,
      headers: { "x-role": "admin", x_role: "user" },
      verdict: { kind: "denied", by: "request", reason: expect.stringContaining("x_role as x-role") },
    },
    { name: "a header once is compared", rules: role, headers: { "x-role": "admin" }, verdict: { kind: "allowed" } },
    {
      name: "a header that is not ASCII is sent as UTF-8",
      rules: policy("role", { rules: [{ when: [{ key: "request.headers[x-role]", values: ["müller"] }] }] }),
      headers: { "x-role": "müller" },
      verdict: { kind: "allowed" },
    },
    {
      name: "the address that the nearest proxy has added is compared",
      rules: byRemoteIp,
      headers: { "x-forwarded-for": "198.51.100.1, 203.0.113.9" },
      verdict: { kind: "allowed" },
    },
    {
      name: "an address that another proxy has added is not",
      rules: byRemoteIp,
      headers: { "x-forwarded-for": "203.0.113.9, 198.51.100.1" },
      verdict: { kind: "denied", by: "no-rule" },
    },
    {
      name: "a client's own header of its identity is not seen",
      rules: peer,
      headers: { "x-forwarded-client-cert": "By=spiffe://forged" },
      verdict: { kind: "denied", by: "no-rule" },
    },
  ])("is judged as the proxy reads it: $name", ({ rules, headers, verdict }) => {
    const lines = Object.entries(headers).map(([name, value]) => ({ name, value }));
    const { workloads } = explain(configurationOf([V1, rules]), { request: { headers: lines } });
    expect(workloads[0]?.verdict).toMatchObject(verdict);
  });
});

describe("a gateway", () => {
  const gateway = testPod({
    name: "edge",
    namespace: "ns2",
    ip: "10.0.0.8",
    labels: { app: "edge" },
    meshed: false,
    spec: { containers: [{ name: "istio-proxy", args: ["proxy", "gateway"] }] },
  });
  const edge = testService({
    name: "edge",
    namespace: "ns2",
    clusterIP: "10.96.0.2",
    ports: [{ port: 80, targetPort: 8080 }],
  });
  const byAddress = policy("address", { rules: [{ from: [{ source: { remoteIpBlocks: ["203.0.113.0/24"] } }] }] });
  const forwarded = { headers: [{ name: "x-forwarded-for", value: "198.51.100.1, 203.0.113.7, 10.0.0.9" }] };

  it.each([
    { trusted: 0, by: "no-rule" },
    { trusted: 1, by: "no-rule" },
    { trusted: 2, by: "rule" },
  ])("judges the address in front of $trusted trusted proxies", ({ trusted, by }) => {
    const configuration = configurationOf([gateway, edge, byAddress]);
    const settings = { ...configuration.settings, numTrustedProxies: trusted };
    const asked = { from: { kind: "plaintext" } as const, to: "edge.ns2", request: forwarded, sourceIp: "192.0.2.1" };
    const { workloads } = explain({ ...configuration, settings }, asked);
    expect(workloads).toMatchObject([{ workload: "edge.ns2", judgedAs: "request", verdict: { by } }]);
  });
});

describe("a token's claims", () => {
  const authentication = testResource(
    "RequestAuthentication",
    "tokens",
    { jwtRules: [{ issuer: "https://issuer.example", jwks: '{"keys":[]}' }] },
    { namespace: "ns2" },
  );
  const principal = policy("token", { rules: [{ from: [{ source: { requestPrincipals: ["*/alice"] } }] }] });

  it.each([
    { name: "let in whom a policy allows", claims: { sub: "alice" }, verdict: { kind: "allowed", by: "rule" } },
    { name: "keep out others", claims: { sub: "bob" }, verdict: { kind: "denied", by: "no-rule" } },
    { name: "of another issuer are refused", claims: { iss: "x", sub: "alice" }, verdict: { by: "token" } },
  ])("$name", ({ claims, verdict }) => {
    const { workloads } = explain(configurationOf([V1, authentication, principal]), { request: { claims } });
    expect(workloads[0]?.verdict).toMatchObject(verdict);
  });

  it("are not seen without a RequestAuthentication", () => {
    const { workloads, text } = explain(configurationOf([V1, principal]), { request: { claims: { sub: "alice" } } });
    expect(workloads[0]?.verdict.kind).toBe("denied");
    expect(text).toContain("no RequestAuthentication applies");
    expect(text).toContain("it requires request principal */alice; the request has no verified token");
  });
});
