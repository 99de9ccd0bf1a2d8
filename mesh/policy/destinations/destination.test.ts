import { describe, expect, it } from "vitest";
import { testResource, testService } from "../../resources/resource-set-fixture.ts";
import { byHost, byIp, decide, decideMesh, HOST, MUTUAL, rule, WORLD, world } from "./destination-fixture.ts";

describe("a service's address", () => {
  it("resolves to the service, its pods and their allowed identities", () => {
    expect(decide([WORLD, world()], byIp("10.96.0.2"))).toEqual({
      kind: "mesh",
      host: HOST,
      port: 8080,
      subset: "",
      protocol: "http",
      sni: `outbound_.8080_._.${HOST}`,
      identities: ["spiffe://cluster.local/ns/ns2/sa/world"],
      tlsRule: "auto mTLS",
      endpoints: [
        {
          ip: "10.0.0.7",
          port: 8080,
          mutualTls: true,
          workload: {
            namespace: "ns2",
            pod: "world-1",
            workload: "world-1",
            serviceAccount: "world",
            app: "world",
            version: "v1",
            canonicalService: "world",
            canonicalRevision: "v1",
          },
        },
      ],
      service: { host: HOST, name: "world", namespace: "ns2" },
      connectionPool: { httpVersion: "adaptive" },
      routes: [],
    });
  });

  it("is also recognised as an IPv4-mapped IPv6 address", () => {
    expect(decideMesh([WORLD, world()], byIp("::ffff:10.96.0.2")).host).toBe(HOST);
  });

  it("with an unknown port is refused, with a list of the service's ports", () => {
    const destination = decide([WORLD, world()], byIp("10.96.0.2", 9999));
    expect(destination).toEqual({ kind: "refused", reason: `${HOST} has no TCP port 9999; it has 8080` });
  });

  it("without a selector is dialled directly, in plaintext unless a rule requires otherwise", () => {
    const apiServer = testService({
      name: "kubernetes",
      namespace: "default",
      clusterIP: "10.96.0.9",
      spec: { selector: {} },
    });
    const found = decideMesh([apiServer], byIp("10.96.0.9"));
    expect(found.endpoints).toMatchObject([{ ip: "10.96.0.9", port: 8080, mutualTls: false }]);
    const mutual = testResource("DestinationRule", "all", { host: "*.local", ...MUTUAL });
    expect(decide([apiServer, mutual], byIp("10.96.0.9"))).toMatchObject({
      kind: "refused",
      reason: expect.stringMatching(/DestinationRule\/all\.default requires mutual TLS .* DISABLE/),
    });
  });
});

describe("a pod's address", () => {
  it("resolves to the service with that port, with this one endpoint", () => {
    const service = testService({
      name: "world",
      namespace: "ns2",
      clusterIP: "None",
      ports: [{ name: "tcp-x", port: 80, targetPort: 8080 }],
    });
    const found = decideMesh([service, world(), world({ name: "world-2", ip: "10.0.0.8" })], byIp("10.0.0.8", 8080));
    expect(found).toMatchObject({ host: HOST, port: 80, protocol: "tcp", sni: `outbound_.80_._.${HOST}` });
    expect(found.endpoints).toMatchObject([{ ip: "10.0.0.8", port: 8080, mutualTls: true }]);
  });

  it("resolves to the pod's own name if no service has that port", () => {
    const found = decideMesh([WORLD, world()], byIp("10.0.0.7", 9090));
    expect(found).toMatchObject({
      host: "10-0-0-7.ns2.pod.cluster.local",
      port: 9090,
      service: undefined,
      protocol: undefined,
      identities: ["spiffe://cluster.local/ns/ns2/sa/world"],
      endpoints: [{ ip: "10.0.0.7", port: 9090, mutualTls: true }],
    });
  });

  it("is dialled even if the pod is not ready, because cluster members find each other that way", () => {
    const found = decideMesh(
      [world({ status: { conditions: [{ type: "Ready", status: "False" }] } })],
      byIp("10.0.0.7"),
    );
    expect(found.endpoints).toHaveLength(1);
  });

  it("of a finished pod is unknown, because addresses are reused", () => {
    expect(decide([world({ status: { phase: "Failed" } })], byIp("10.0.0.7")).kind).toBe("passthrough");
  });

  it("of a pod on the host's network belongs to the node, not the pod", () => {
    expect(decide([world({ spec: { hostNetwork: true } })], byIp("10.0.0.7")).kind).toBe("passthrough");
  });
});

describe("an unknown address", () => {
  it("passes through, or is refused under REGISTRY_ONLY", () => {
    expect(decide([], byIp("192.0.2.1"))).toEqual({ kind: "passthrough" });
    expect(decide([], byIp("192.0.2.1"), { outboundTrafficPolicy: "REGISTRY_ONLY" })).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("192.0.2.1 port 8080"),
    });
  });
});

describe("a route's destination host", () => {
  const subsets = { subsets: [{ name: "v1", labels: { version: "v1" } }] };

  it("has only the endpoints of its subset, and the subset in its SNI", () => {
    const v2 = world({
      name: "world-2",
      ip: "10.0.0.8",
      labels: { app: "world", version: "v2" },
      serviceAccount: "v2",
    });
    const found = decideMesh([WORLD, world(), v2, rule({ ...MUTUAL, ...subsets })], byHost(HOST, 8080, "v1"));
    expect(found.endpoints.map(({ ip }) => ip)).toEqual(["10.0.0.7"]);
    expect(found).toMatchObject({
      subset: "v1",
      sni: `outbound_.8080_.v1_.${HOST}`,
      identities: ["spiffe://cluster.local/ns/ns2/sa/world"],
    });
  });

  it.each([
    { name: "an unknown subset", target: byHost(HOST, 8080, "v9"), reason: /subset "v9"/ },
    { name: "an unknown service", target: byHost("missing.ns2.svc.cluster.local"), reason: /no service missing\.ns2/ },
    {
      name: "a name that is not fully qualified",
      target: byHost("world.ns2"),
      reason: /NAME\.NAMESPACE\.svc\.cluster\.local/,
    },
    { name: "an unknown port", target: byHost(HOST, 1), reason: /no TCP port 1/ },
  ])("is refused for $name", ({ target, reason }) => {
    expect(decide([WORLD, world(), rule(subsets)], target)).toMatchObject({
      kind: "refused",
      reason: expect.stringMatching(reason),
    });
  });

  const alias = (externalName: string, name = "alias") =>
    testService({ name, namespace: "ns2", clusterIP: "", spec: { type: "ExternalName", selector: {}, externalName } });

  it("resolves an ExternalName service to the service that it names", () => {
    const resources = [WORLD, world(), alias(HOST), alias("alias.ns2.svc.cluster.local.", "other")];
    for (const name of ["alias", "other"]) {
      const found = decideMesh(resources, byHost(`${name}.ns2.svc.cluster.local`));
      expect(found).toMatchObject({ host: HOST, endpoints: [{ ip: "10.0.0.7", mutualTls: true }] });
    }
  });

  it.each(["db.example.com", "alias.ns2.svc.cluster.local", ""])(
    "is refused if it is an ExternalName for %j, which is outside the mesh",
    (externalName) => {
      expect(decide([alias(externalName)], byHost("alias.ns2.svc.cluster.local"))).toMatchObject({
        kind: "refused",
        reason: expect.stringContaining("ExternalName"),
      });
    },
  );
});
