import { describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../identity/spiffe-id.ts";
import { testResource, testService } from "../../resources/resource-set-fixture.ts";
import { byIp, decide, decideMesh, MUTUAL, rule, WORLD, world } from "./destination-fixture.ts";

describe("endpoints", () => {
  it.each([
    { name: "not running yet", pod: world({ status: { phase: "Pending" } }) },
    { name: "finished", pod: world({ status: { phase: "Succeeded" } }) },
    { name: "not ready", pod: world({ status: { conditions: [{ type: "Ready", status: "False" }] } }) },
    { name: "without an address", pod: world({ status: { podIP: "" } }) },
    { name: "being deleted", pod: world({ metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }) },
    { name: "with other labels", pod: world({ labels: { app: "other" } }) },
    { name: "of another namespace", pod: world({ namespace: "ns3" }) },
  ])("do not include a pod that is $name", ({ pod }) => {
    expect(decideMesh([WORLD, pod], byIp("10.96.0.2")).endpoints).toEqual([]);
  });

  it("include a pod without a Ready condition", () => {
    expect(decideMesh([WORLD, world({ status: { conditions: [] } })], byIp("10.96.0.2")).endpoints).toHaveLength(1);
  });

  it("resolve a named target port per pod, without pods that do not have it", () => {
    const service = testService({
      name: "world",
      namespace: "ns2",
      clusterIP: "10.96.0.2",
      ports: [{ port: 80, targetPort: "web" }],
    });
    const pods = [
      world({ ports: [{ name: "web", containerPort: 8081 }] }),
      world({ name: "world-2", ip: "10.0.0.8", ports: [{ name: "web", containerPort: 8082 }] }),
      world({ name: "world-3", ip: "10.0.0.9", ports: [{ name: "admin", containerPort: 9000 }] }),
    ];
    const { endpoints } = decideMesh([service, ...pods], byIp("10.96.0.2", 80));
    expect(endpoints.map(({ ip, port }) => `${ip}:${port}`)).toEqual(["10.0.0.7:8081", "10.0.0.8:8082"]);
  });

  it("get mutual TLS individually, by their pod's label", () => {
    const legacy = world({ name: "world-2", ip: "10.0.0.8", meshed: false });
    const { endpoints } = decideMesh([WORLD, world(), legacy], byIp("10.96.0.2"));
    expect(endpoints.map(({ mutualTls }) => mutualTls)).toEqual([true, false]);
  });

  it("all get mutual TLS if a rule has ISTIO_MUTUAL, with or without a sidecar", () => {
    const legacy = world({ name: "world-2", ip: "10.0.0.8", meshed: false });
    const found = decideMesh([WORLD, world(), legacy, rule(MUTUAL)], byIp("10.96.0.2"));
    expect(found.endpoints.map(({ mutualTls }) => mutualTls)).toEqual([true, true]);
    expect(found.tlsRule).toBe("DestinationRule/rule.ns2");
  });

  it("get plaintext if a rule has DISABLE", () => {
    const found = decideMesh([WORLD, world(), rule({ trafficPolicy: { tls: {} } })], byIp("10.96.0.2"));
    expect(found).toMatchObject({ tlsRule: "DestinationRule/rule.ns2", endpoints: [{ mutualTls: false }] });
  });

  it("get plaintext by auto mTLS if the namespace's policy is DISABLE", () => {
    const off = testResource("PeerAuthentication", "default", { mtls: { mode: "DISABLE" } }, { namespace: "ns2" });
    expect(decideMesh([WORLD, world(), off], byIp("10.96.0.2"))).toMatchObject({
      tlsRule: "auto mTLS, off by PeerAuthentication/default.ns2",
      endpoints: [{ mutualTls: false }],
    });
  });

  it("get no plaintext if a rule requires unsupported TLS", () => {
    const destination = decide(
      [WORLD, world(), rule({ trafficPolicy: { tls: { mode: "MUTUAL" } } })],
      byIp("10.96.0.2"),
    );
    expect(destination).toMatchObject({ kind: "refused", reason: expect.stringContaining("DestinationRule/rule.ns2") });
  });
});

describe("identities", () => {
  it("are those of all endpoints' accounts in every trusted domain", () => {
    const other = world({ name: "world-2", ip: "10.0.0.8", serviceAccount: "another" });
    const found = decideMesh([WORLD, world(), other], byIp("10.96.0.2"), {
      trustDomainAliases: [parseTrustDomain("old.domain")],
    });
    expect(found.identities).toEqual([
      "spiffe://cluster.local/ns/ns2/sa/another",
      "spiffe://cluster.local/ns/ns2/sa/world",
      "spiffe://old.domain/ns/ns2/sa/another",
      "spiffe://old.domain/ns/ns2/sa/world",
    ]);
  });

  it("are the rule's subjectAltNames if it has some, like its sni", () => {
    const san = "spiffe://cluster.local/ns/x/sa/y";
    const tls = { mode: "ISTIO_MUTUAL", sni: "my.sni", subjectAltNames: [san] };
    const found = decideMesh([WORLD, world(), rule({ trafficPolicy: { tls } })], byIp("10.96.0.2"));
    expect(found).toMatchObject({ identities: [san], sni: "my.sni" });
  });
});
