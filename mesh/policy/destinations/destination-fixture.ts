/** For tests: destinations of a client in ns1, with a few resources. */
import type { MeshSettings } from "../../mesh-settings.ts";
import {
  createTestSet,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../resources/resource-set-fixture.ts";
import type { Destination, DestinationTarget, MeshDestination } from "../types.ts";
import { decideDestination } from "./destination.ts";

export const HOST = "world.ns2.svc.cluster.local";
export const WORLD = testService({ name: "world", namespace: "ns2", clusterIP: "10.96.0.2" });
export const world = (options: Partial<Parameters<typeof testPod>[0]> = {}) =>
  testPod({
    name: "world-1",
    namespace: "ns2",
    ip: "10.0.0.7",
    labels: { app: "world", version: "v1" },
    serviceAccount: "world",
    ...options,
  });
export const byIp = (ip: string, port = 8080): DestinationTarget => ({ kind: "address", ip, port });
export const byHost = (host = HOST, port = 8080, subset = ""): DestinationTarget => ({
  kind: "host",
  host,
  port,
  subset,
});

export function decide(
  resources: readonly string[],
  target: DestinationTarget,
  settings: Partial<MeshSettings> = {},
): Destination {
  const client = { namespace: "ns1", labels: {} };
  return decideDestination({
    set: createTestSet(...resources),
    settings: { ...TEST_SETTINGS, ...settings },
    client,
    target,
  });
}

export function decideMesh(...input: Parameters<typeof decide>): MeshDestination {
  const destination = decide(...input);
  if (destination.kind !== "mesh") throw new Error(JSON.stringify(destination));
  return destination;
}

export function rule(spec: object, namespace = "ns2"): string {
  return testResource("DestinationRule", "rule", { host: HOST, ...spec }, { namespace });
}

export const MUTUAL = { trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } };
