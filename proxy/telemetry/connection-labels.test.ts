import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { WorkloadInfo } from "../../mesh/policy/types.ts";
import { CONNECTION_LABEL_NAMES, connectionLabels, overflowLabels } from "./connection-labels.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/world");
const world: WorkloadInfo = {
  namespace: "ns2",
  pod: "world-tls-7d9f-abcde",
  workload: "world-tls",
  serviceAccount: "world",
  app: "world",
  version: "v1-tls",
  canonicalService: "world",
  canonicalRevision: "",
};
const service = { host: "world.ns2.svc.cluster.local", name: "world", namespace: "ns2" };

describe("connectionLabels", () => {
  it("writes unknown for everything that is not known", () => {
    const labels = connectionLabels({ reporter: "destination", security: "unknown" });
    const { reporter, request_protocol, ...rest } = labels;
    expect({ reporter, request_protocol }).toEqual({ reporter: "destination", request_protocol: "tcp" });
    expect(new Set(Object.values(rest))).toEqual(new Set(["unknown"]));
  });

  it("names workload, service and verified principals", () => {
    const labels = connectionLabels({
      reporter: "destination",
      sourcePrincipal: HELLO,
      destination: world,
      destinationPrincipal: WORLD,
      service,
      security: "mutual_tls",
    });
    expect(labels).toMatchObject({
      source_principal: HELLO,
      source_workload: "unknown",
      source_workload_namespace: "ns1",
      destination_principal: WORLD,
      destination_workload: "world-tls",
      destination_workload_namespace: "ns2",
      destination_app: "world",
      destination_version: "v1-tls",
      destination_canonical_service: "world",
      destination_canonical_revision: "unknown",
      destination_service: "world.ns2.svc.cluster.local",
      destination_service_name: "world",
      destination_service_namespace: "ns2",
      connection_security_policy: "mutual_tls",
    });
  });

  it.each([
    { name: "the destination reports the policy", reporter: "destination", security: "none", policy: "none" },
    { name: "the source does not", reporter: "source", security: "mutual_tls", policy: "unknown" },
  ] as const)("$name", ({ reporter, security, policy }) => {
    expect(connectionLabels({ reporter, security }).connection_security_policy).toBe(policy);
  });

  it("never contains a pod's name, which is unbounded", () => {
    const labels = connectionLabels({ reporter: "source", source: world, destination: world, security: "unknown" });
    expect(Object.values(labels)).not.toContain(world.pod);
  });

  it("has exactly the declared names", () => {
    const labels = connectionLabels({ reporter: "source", security: "none" });
    expect(Object.keys(labels).sort()).toEqual([...CONNECTION_LABEL_NAMES].sort());
  });
});

describe("overflowLabels", () => {
  it("keeps the bounded labels and drops the rest", () => {
    const labels = connectionLabels({
      reporter: "destination",
      destination: world,
      sourcePrincipal: HELLO,
      security: "mutual_tls",
    });
    expect(overflowLabels(labels)).toEqual(connectionLabels({ reporter: "destination", security: "mutual_tls" }));
  });
});
