import { describe, expect, it } from "vitest";
import { parseManifests } from "../read-manifests.ts";
import { createAddressPlan } from "./addresses.ts";
import { formatHostsFile } from "./hosts-file.ts";
import { findUnresolvableNames, namedServices } from "./service-names.ts";
import { serviceSlices } from "./service-slices.ts";
import { createServices, type ServicePod, serviceRules } from "./services.ts";

const SERVICES = `
kind: Service
metadata: { name: world, namespace: ns2 }
spec: { selector: { app: world }, ports: [{ port: 80, targetPort: http }] }
---
kind: Service
metadata: { name: headless, namespace: ns2 }
spec: { clusterIP: None, selector: { app: world }, ports: [{ port: 8080 }] }
`;

function pod(ip: string, overrides: Partial<ServicePod> = {}): ServicePod {
  const namedPorts = new Map([["http", 8080]]);
  return {
    name: "world-1",
    namespace: "ns2",
    labels: { app: "world", version: "v1" },
    ip,
    isReady: true,
    isTerminating: false,
    namedPorts,
    ...overrides,
  };
}

const services = createServices(parseManifests(SERVICES, "test.yaml"), createAddressPlan());

describe("Services of one machine", () => {
  it("lead to the ready pods of their own namespace that they select, by the name of a port", () => {
    const pods = [
      pod("10.244.0.1"),
      pod("10.244.0.2", { isReady: false }),
      pod("10.244.0.3", { namespace: "ns1" }),
      pod("10.244.0.4", { labels: { app: "other" } }),
    ];
    expect(serviceRules(services, pods)).toEqual([
      { clusterIp: "10.96.0.10", port: 80, endpoints: [{ ip: "10.244.0.1", port: 8080 }] },
    ]);
  });

  it("have all their names; the short one only in their namespace", () => {
    const names = namedServices(services, [pod("10.244.0.1")]);
    const own = formatHostsFile({ name: "world-1", namespace: "ns2", ip: "10.244.0.1" }, names);
    const other = formatHostsFile({ name: "hello-1", namespace: "ns1", ip: "10.244.0.9" }, names);
    expect(own).toContain("10.96.0.10 world.ns2.svc.cluster.local world.ns2.svc world.ns2 world\n");
    expect(other).toContain("10.96.0.10 world.ns2.svc.cluster.local world.ns2.svc world.ns2\n");
    expect(other).toContain("10.244.0.1 headless.ns2.svc.cluster.local headless.ns2.svc headless.ns2\n");
  });
});

function servicesOf(text: string): ReturnType<typeof createServices> {
  return createServices(parseManifests(text, "test.yaml"), createAddressPlan());
}

describe("the address of a Service", () => {
  it("is the requested one, which no other Service gets", () => {
    const [first, asking] = servicesOf(`
kind: Service
metadata: { name: first, namespace: ns2 }
---
kind: Service
metadata: { name: asking, namespace: ns2 }
spec: { clusterIP: 10.96.0.10 }
`);
    expect([first?.clusterIp, asking?.clusterIp]).toEqual(["10.96.0.11", "10.96.0.10"]);
  });
});

describe("a Service of type ExternalName", () => {
  const alias = (name: string, externalName: string): string => `
---
kind: Service
metadata: { name: ${name}, namespace: ns1 }
spec: { type: ExternalName, externalName: ${externalName}, ports: [{ port: 80 }] }
`;

  it("has no address and no rules; its name resolves to the Service that it refers to", () => {
    const aliases = servicesOf(
      SERVICES + alias("one", "World.ns2.svc.cluster.local.") + alias("two", "one.ns1.svc.cluster.local"),
    );
    expect(serviceRules(aliases, []).map(({ clusterIp }) => clusterIp)).toEqual(["10.96.0.10"]);
    expect(namedServices(aliases, [])).toMatchObject([
      { name: "world", ips: ["10.96.0.10"] },
      { name: "headless" },
      { name: "one", ips: ["10.96.0.10"] },
      { name: "two", ips: ["10.96.0.10"] },
    ]);
    expect(aliases.find(({ name }) => name === "one")?.object).toMatchObject({
      spec: { type: "ExternalName", externalName: "World.ns2.svc.cluster.local." },
    });
    expect(aliases.find(({ name }) => name === "one")?.object["spec"]).not.toHaveProperty("clusterIP");
    expect(findUnresolvableNames(aliases)).toEqual([]);
  });

  it.each(["db.example.com", "world.ns2", "loop.ns1.svc.cluster.local", "10.244.0.1"])(
    "for %s has no name, and gets a warning",
    (externalName) => {
      const aliases = servicesOf(SERVICES + alias("loop", externalName));
      expect(namedServices(aliases, []).at(-1)).toEqual({ name: "loop", namespace: "ns1", ips: [] });
      expect(findUnresolvableNames(aliases)).toEqual([
        expect.stringContaining(`Service/loop.ns1 cannot be resolved here`),
      ]);
    },
  );
});

describe("EndpointSlices on one machine", () => {
  it("list each Service's pods with their state, as Kubernetes' controller does", () => {
    const pods = [
      pod("10.244.0.1"),
      pod("10.244.0.2", { name: "world-2", isReady: false }),
      pod("10.244.0.3", { name: "world-3", namedPorts: new Map([["http", 9090]]) }),
    ];
    const labels = {
      "kubernetes.io/service-name": "world",
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    };
    const [first, second, ...others] = serviceSlices(services, pods);
    expect(first).toMatchObject({
      metadata: { name: "world-local-0", namespace: "ns2", labels },
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
      endpoints: [
        { addresses: ["10.244.0.1"], conditions: { ready: true }, targetRef: { kind: "Pod", name: "world-1" } },
        { addresses: ["10.244.0.2"], conditions: { ready: false, serving: false } },
      ],
    });
    expect(second).toMatchObject({ metadata: { labels }, ports: [{ port: 9090 }] });
    expect(others).toMatchObject([{ metadata: { name: "headless-local-0" } }]);
  });

  it("are empty for a Service that selects no pod, and not created for one without a selector", () => {
    expect(serviceSlices(services, [])).toMatchObject([{ endpoints: [] }, { endpoints: [] }]);
    const apart = servicesOf("kind: Service\nmetadata: { name: db, namespace: ns2 }\nspec: { ports: [{ port: 80 }] }");
    expect(serviceSlices(apart, [pod("10.244.0.1")])).toEqual([]);
  });

  it("of the manifests define the targets of the Service's address and names", () => {
    const manifests = (clusterIp: string): string => `
apiVersion: v1
kind: Service
metadata: { name: db, namespace: ns2 }
spec: { clusterIP: ${clusterIp}, ports: [{ name: sql, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: db-1, namespace: ns2, labels: { kubernetes.io/service-name: db } }
addressType: IPv4
ports: [{ name: sql, port: 5432 }]
endpoints: [{ addresses: [10.244.0.7] }, { addresses: [10.244.0.8], conditions: { ready: false } }]
`;
    expect(serviceRules(servicesOf(manifests('""')), [])).toEqual([
      { clusterIp: "10.96.0.10", port: 80, endpoints: [{ ip: "10.244.0.7", port: 5432 }] },
    ]);
    expect(namedServices(servicesOf(manifests("None")), [])).toMatchObject([{ ips: ["10.244.0.7"] }]);
  });
});
