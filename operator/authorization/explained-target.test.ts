import { describe, expect, it } from "vitest";
import { createTestSet, TEST_SETTINGS, testPod, testService } from "../../mesh/resources/resource-set-fixture.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { findTarget, type TargetName } from "./explained-target.ts";

const PORTS = [
  { name: "http", port: 80, targetPort: 8080 },
  { name: "admin", port: 90 },
  { name: "dns", port: 53, protocol: "UDP" },
];
const configuration: Configuration = {
  origin: "cluster",
  set: createTestSet(
    testService({ name: "web", ports: PORTS }),
    testService({ name: "one", ports: [{ port: 80 }] }),
    testService({ name: "udp", ports: [{ port: 53, protocol: "UDP" }] }),
    testService({ name: "both", namespace: "ns1" }),
    testService({ name: "both", namespace: "ns2" }),
    testPod({ name: "web" }),
    testPod({ name: "alone", ip: "10.0.0.2" }),
  ),
  problems: [],
  settings: TEST_SETTINGS,
  injections: new Map(),
};
const find = (target: Partial<TargetName> & { readonly name: string }) =>
  findTarget(configuration, { kind: undefined, port: undefined, ...target }, undefined);
const titled = (target: Parameters<typeof find>[0]) => {
  const found = find(target);
  return found.kind === "service"
    ? `service ${found.service.metadata.name} ${found.port.port}`
    : `pod ${found.pod.metadata.name} ${found.port}`;
};

describe("a target", () => {
  it.each([
    { target: { name: "web", port: "80" }, found: "service web 80" },
    { target: { name: "web.ns1", port: "admin" }, found: "service web 90" },
    { target: { name: "one" }, found: "service one 80" },
    { target: { name: "web", kind: "pod", port: "8080" }, found: "pod web 8080" },
    { target: { name: "alone", port: "8080" }, found: "pod alone 8080" },
    { target: { name: "both.ns2", port: "8080" }, found: "service both 8080" },
  ] as const)("$target is $found", ({ target, found }) => {
    expect(titled(target)).toBe(found);
  });

  it.each([
    {
      target: { name: "web" },
      message: "Service/web.ns1 has several ports, 80 (http), 90 (admin): name one, as in web.ns1:80",
    },
    {
      target: { name: "web", port: "53" },
      message: "Service/web.ns1 has no TCP port 53; it has 80 (http), 90 (admin)",
    },
    { target: { name: "udp", port: "53" }, message: "Service/udp.ns1 has no TCP port" },
    { target: { name: "alone" }, message: "Pod/alone.ns1 needs the port on which it listens, as in alone.ns1:8080" },
    { target: { name: "alone", port: "http" }, message: 'must be a number from 1 to 65535, got "http"' },
    { target: { name: "alone", port: "70000" }, message: 'must be a number from 1 to 65535, got "70000"' },
    { target: { name: "alone", kind: "service", port: "80" }, message: "there is no service alone" },
    { target: { name: "one", kind: "pod", port: "80" }, message: "there is no pod one" },
    { target: { name: "nobody", port: "80" }, message: "there is no service or pod nobody; there is both.ns1" },
    { target: { name: "both", port: "80" }, message: "say both.ns1 or both.ns2" },
  ] as const)("$target is refused", ({ target, message }) => {
    expect(() => find(target)).toThrow(message);
  });
});
