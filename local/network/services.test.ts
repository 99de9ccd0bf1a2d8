import { describe, expect, it } from "vitest";
import { parseManifests } from "../read-manifests.ts";
import { createAddressPlan } from "./addresses.ts";
import { formatHostsFile } from "./hosts-file.ts";
import { createServices, namedServices, type ServicePod, serviceRules } from "./services.ts";

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
  return { namespace: "ns2", labels: { app: "world", version: "v1" }, ip, isReady: true, namedPorts, ...overrides };
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

  it("are known by all their names, by the short one only in their namespace", () => {
    const names = namedServices(services, [pod("10.244.0.1")]);
    const own = formatHostsFile({ name: "world-1", namespace: "ns2", ip: "10.244.0.1" }, names);
    const other = formatHostsFile({ name: "hello-1", namespace: "ns1", ip: "10.244.0.9" }, names);
    expect(own).toContain("10.96.0.10 world.ns2.svc.cluster.local world.ns2.svc world.ns2 world\n");
    expect(other).toContain("10.96.0.10 world.ns2.svc.cluster.local world.ns2.svc world.ns2\n");
    expect(other).toContain("10.244.0.1 headless.ns2.svc.cluster.local headless.ns2.svc headless.ns2\n");
  });
});
