import { describe, expect, it } from "vitest";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import { Topology } from "./topology.ts";

const topology = new Topology({ services: 250, pods: 1000, sidecars: 100, used: 20 });

describe("the mesh of the scale bench", () => {
  it("consists of objects that the mesh reads without a problem", () => {
    const pods = topology.podsOf(7).map((number) => ({ number, generation: 0, uid: "u" }));
    const objects = [topology.service(7), topology.slice(7, pods), topology.pod({ number: 7, generation: 3 })];
    for (const object of objects) {
      const { resources, problems } = parseObject(object);
      expect([object.kind, problems.filter(({ severity }) => severity === "error")]).toEqual([object.kind, []]);
      expect(resources).toHaveLength(1);
    }
  });

  it("gives each pod and service an address of its own, also when a pod is replaced", () => {
    const ips = [0, 1].flatMap((generation) =>
      Array.from({ length: 1000 }, (_, number) => JSON.stringify(topology.pod({ number, generation })["status"])),
    );
    const services = Array.from({ length: 250 }, (_, service) => topology.serviceIp(service));
    expect(new Set(ips).size).toBe(ips.length);
    expect(new Set(services).size).toBe(services.length);
  });

  it("lets each sidecar use the wanted number of services, some of them popular", () => {
    const sidecars = Array.from({ length: 100 }, (_, number) => topology.sidecar(number));
    expect(sidecars.every(({ services }) => new Set(services).size === 20)).toBe(true);
    const popular = sidecars.flatMap(({ services }) => services.filter((service) => service < 20)).length;
    expect(popular).toBeGreaterThan(100 * 5 - 1);
  });

  it("never replaces a pod with a sidecar", () => {
    const replaced = Array.from({ length: 500 }, (_, change) => topology.replacedPod(change));
    expect(Math.min(...replaced)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...replaced)).toBeLessThan(1000);
  });
});
