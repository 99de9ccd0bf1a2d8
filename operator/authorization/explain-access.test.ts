import { describe, expect, it } from "vitest";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { testPod } from "../../mesh/resources/resource-set-fixture.ts";
import { clientTls, configurationOf, explain, policy, strict, V1, world } from "./explain-access-fixture.ts";

describe("whether a client is allowed", () => {
  it("is yes without a policy", () => {
    const { workloads, text, isDenied: denied } = explain(configurationOf([V1]));
    expect(denied).toBe(false);
    expect(text).toContain("Pod/hello.ns1, spiffe://cluster.local/ns/ns1/sa/hello");
    expect(workloads).toMatchObject([
      { workload: "world-v1.ns2", port: 8080, judgedAs: "request", verdict: { kind: "allowed", by: "no-policy" } },
    ]);
  });

  it("is answered for each workload behind a service, whose policies may differ by labels", () => {
    const selector = { matchLabels: { version: "v2" } };
    const { workloads, isDenied: denied } = explain(
      configurationOf([V1, world("v2", "10.0.0.4"), policy("v2", { selector, rules: [] })]),
    );
    expect(denied).toBe(true);
    expect(workloads.map(({ workload, verdict }) => [workload, verdict.kind])).toEqual([
      ["world-v1.ns2", "allowed"],
      ["world-v2.ns2", "denied"],
    ]);
  });

  it("is answered once for replicas", () => {
    const replica = (name: string, ip: string) =>
      testPod({
        name,
        namespace: "ns2",
        ip,
        labels: { app: "world" },
        metadata: { ownerReferences: [{ kind: "StatefulSet", name: "world" }] },
      });
    const { workloads } = explain(configurationOf([replica("world-1", "10.0.0.5"), replica("world-0", "10.0.0.4")]));
    expect(workloads).toMatchObject([{ workload: "world.ns2", pods: ["world-0.ns2", "world-1.ns2"] }]);
  });

  it.each([
    {
      name: "a method",
      rule: { from: [{ source: { namespaces: ["ns1"] } }], to: [{ operation: { methods: ["GET"] } }] },
      asked: { request: { method: "POST" } },
      differences: ["it requires method GET; the request has POST"],
    },
    {
      name: "the port of the Service instead of the pod's",
      rule: { to: [{ operation: { ports: ["80"] } }] },
      asked: {},
      differences: ["it requires port 80; the connection has 8080"],
    },
    {
      name: "the client's identity, which plaintext does not have",
      rule: { from: [{ source: { principals: ["*/sa/hello"] } }] },
      asked: { from: "ns1/plain" },
      differences: ["it requires principal */sa/hello; the client sends plaintext and has no identity"],
    },
    {
      name: "a header and a host",
      rule: {
        to: [{ operation: { hosts: ["a.example"] } }],
        when: [{ key: "request.headers[x-role]", values: ["admin"] }],
      },
      asked: {
        request: {
          headers: [
            { name: "x-role", value: "user" },
            { name: "x-role", value: "guest" },
          ],
        },
      },
      differences: [
        "it requires host a.example; the request has world.ns2.svc.cluster.local",
        "it requires header x-role admin; the request has user or guest",
      ],
    },
    {
      name: "the client's address",
      rule: { from: [{ source: { ipBlocks: ["10.9.0.0/16"] } }] },
      asked: {},
      differences: ["it requires IP 10.9.0.0/16; the connection has 10.0.0.1"],
    },
    {
      name: "what only requests have, on a port of a stream",
      rule: { from: [{ source: { namespaces: ["ns1"] } }], to: [{ operation: { methods: ["GET"] } }] },
      asked: { port: "5432" },
      differences: ["it requires method GET; the port carries a stream, of which no request is known"],
    },
  ])("names what differs from the nearest rule: $name", ({ rule, asked, differences }) => {
    const { text, isDenied: denied } = explain(configurationOf([V1, policy("only", { rules: [rule] })]), asked);
    expect(denied).toBe(true);
    expect(text).toContain("The nearest is AuthorizationPolicy/only.ns2 rule 0");
    for (const difference of differences) expect(text).toContain(`${difference}\n`);
    expect(text.match(/it requires/g)).toHaveLength(differences.length);
  });

  it("says that nothing is allowed by a policy without rules", () => {
    expect(explain(configurationOf([V1, policy("nothing", {})])).text).toContain("They have no rules");
  });

  it("names a rule that denies, and what would be without it", () => {
    const deny = policy("no-admin", { action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin*"] } }] }] });
    const allow = policy("ns1", { rules: [{ from: [{ source: { namespaces: ["ns1"] } }] }] });
    const request = { path: "/x/%2e%2e/admin" };
    const { text, workloads } = explain(configurationOf([V1, deny, allow]), { request });
    expect(workloads[0]).toMatchObject({
      path: "/admin",
      verdict: { kind: "denied", by: "rule", rule: { policy: "AuthorizationPolicy/no-admin.ns2", rule: 0 } },
    });
    expect(text).toContain("Denied by AuthorizationPolicy/no-admin.ns2 rule 0 (DENY: to path /admin*)");
    expect(text).toContain("Without the policies that deny, it would be allowed by AuthorizationPolicy/ns1.ns2 rule 0");
    expect(text).toContain("the normalized path /admin");
  });

  it("says that a rule that denies requests is wider on a stream", () => {
    const rules = [{ to: [{ operation: { paths: ["/admin"] } }] }];
    const { text, isDenied: denied } = explain(configurationOf([V1, policy("no-admin", { action: "DENY", rules })]), {
      port: "5432",
    });
    expect(denied).toBe(true);
    expect(text).toContain("matches without its conditions of HTTP");
    expect(text).toContain("The connection is closed.");
  });

  it("says that a CUSTOM policy asks no provider", () => {
    const custom = policy("ask", { action: "CUSTOM", provider: { name: "opa" }, rules: [{}] });
    const { text } = explain(configurationOf([V1, custom]));
    expect(text).toContain("Denied by AuthorizationPolicy/ask.ns2 rule 0 (CUSTOM: everything)");
    expect(text).toContain("No provider is asked, since none is supported");
  });

  it("says that a policy logs what it allows", () => {
    const { text, isDenied: denied } = explain(configurationOf([V1, policy("log", { action: "AUDIT", rules: [{}] })]));
    expect(denied).toBe(false);
    expect(text).toContain("A policy with the action AUDIT logs it.");
  });

  it("shows what a policy in dry run would do", () => {
    const annotations = { "istio.io/dry-run": "true" };
    const deny = policy("later", { action: "DENY", rules: [{}] }, { annotations });
    const { text, isDenied: denied } = explain(configurationOf([V1, deny]));
    expect(denied).toBe(false);
    expect(text).toContain("Dry run: AuthorizationPolicy/later.ns2 rule 0 (DENY: everything) would deny it");
  });

  it.each([
    {
      name: "plaintext under STRICT",
      resources: [V1, strict],
      asked: { from: "ns1/plain" },
      reason: "requires mutual TLS",
    },
    {
      name: "plaintext by a DestinationRule under STRICT",
      resources: [V1, strict, clientTls("DISABLE")],
      asked: {},
      reason: "DestinationRule/world.ns2",
    },
    {
      name: "mutual TLS to a pod without a sidecar",
      resources: [world("v1", "10.0.0.3", { meshed: false }), clientTls("ISTIO_MUTUAL")],
      asked: {},
      reason: "the server has no sidecar",
    },
    {
      name: "an identity of another trust domain",
      resources: [V1],
      asked: { from: { kind: "identity", identity: parseSpiffeId("spiffe://other/ns/a/sa/b") } as const },
      reason: "does not trust the trust domain other; it trusts cluster.local",
    },
  ])("is no before any policy is asked: $name", ({ resources, asked, reason }) => {
    const { workloads, text } = explain(configurationOf([...resources, policy("all", { rules: [{}] })]), asked);
    expect(workloads[0]?.verdict).toMatchObject({ kind: "denied", by: "tls" });
    expect(text).toContain(reason);
  });

  it("is asked of policies for an identity of a foreign trust domain that the mesh trusts", () => {
    const configuration = configurationOf([V1, policy("all", { rules: [{}] })]);
    const trustDomains = [parseTrustDomain("other")];
    const caCertificates = [{ kind: "pem", trustDomains, roots: [] }] as const;
    const from = { kind: "identity", identity: parseSpiffeId("spiffe://other/ns/a/sa/b") } as const;
    const settings = { ...configuration.settings, caCertificates };
    const { workloads } = explain({ ...configuration, settings }, { from });
    expect(workloads[0]?.verdict).toMatchObject({ kind: "allowed" });
  });

  it("is no if the client's own sidecar does not connect", () => {
    const { text, isDenied: denied } = explain(configurationOf([V1, clientTls("SIMPLE")]));
    expect(denied).toBe(true);
    expect(text).toContain("own sidecar does not connect: DestinationRule/world.ns2 requires TLS mode SIMPLE");
  });

  it("is yes where nothing judges", () => {
    const { workloads } = explain(configurationOf([world("v1", "10.0.0.3", { meshed: false }), policy("nothing", {})]));
    expect(workloads[0]).toMatchObject({ client: "DISABLE", verdict: { kind: "allowed", by: "no-proxy" } });
  });

  it("judges a pod's own port as its Service declares it", () => {
    const rules = [{ to: [{ operation: { ports: ["8080"], methods: ["GET"] } }] }];
    const { workloads } = explain(configurationOf([V1, policy("get", { rules })]), {
      to: "world-v1.ns2",
      port: "8080",
    });
    expect(workloads).toMatchObject([{ judgedAs: "request", client: "ISTIO_MUTUAL", verdict: { kind: "allowed" } }]);
  });

  it("cannot be said of a service without pods", () => {
    expect(() => explain(configurationOf([]))).toThrow("Service/world.ns2 has no ready pod behind port 80");
  });
});
