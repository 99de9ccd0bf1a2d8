import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../resources/config-problem.ts";
import { createTestSet, testResource, testService } from "../resources/resource-set-fixture.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

const MIXED = testService({
  name: "mixed",
  ports: [
    { name: "http", port: 80 },
    { name: "tcp", port: 81 },
    { name: "any", port: 82 },
  ],
});
const STREAMS = testService({
  name: "streams",
  ports: [
    { name: "tcp", port: 80 },
    { name: "https", port: 443 },
  ],
});

/** The analysis of a rule for a service, without the warnings of settings that are not applied. */
function upgrades(service: string, spec: object): readonly string[] {
  return problems(service, spec).filter((problem) => !problem.includes("is not applied"));
}

function problems(service: string, spec: object): readonly string[] {
  const rule = testResource(
    "DestinationRule",
    "rule",
    { host: `${service}.ns1.svc.cluster.local`, ...spec },
    { namespace: "ns1" },
  );
  return analyzeResourceSet(createTestSet(MIXED, STREAMS, rule)).map(formatConfigProblem);
}

const UPGRADE = { connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } } };
const onPort = (number: number) => ({ portLevelSettings: [{ port: { number }, ...UPGRADE }] });

describe("an upgrade to HTTP/2", () => {
  it.each([
    {
      name: "a service that carries only streams",
      service: "streams",
      spec: { trafficPolicy: UPGRADE },
      warning:
        /DestinationRule\/rule\.ns1: spec\.trafficPolicy\.connectionPool\.http\.h2UpgradePolicy: has no effect: port 80 of Service\/streams\.ns1 is declared as tcp, and no other port carries/,
    },
    {
      name: "a port that is declared as a stream",
      service: "mixed",
      spec: { trafficPolicy: onPort(81) },
      warning: /portLevelSettings\[0\]\.connectionPool\.http\.h2UpgradePolicy: has no effect: port 81 of .* as tcp\. /,
    },
    {
      name: "a subset's port that is declared as TLS",
      service: "streams",
      spec: { subsets: [{ name: "v1", trafficPolicy: onPort(443) }] },
      warning: /spec\.subsets\[0\]\.trafficPolicy\.portLevelSettings\[0\]\.connectionPool\..* port 443 .* as tls/,
    },
  ])("is reported for $name", ({ service, spec, warning }) => {
    expect(upgrades(service, spec)).toEqual([expect.stringMatching(warning)]);
  });

  it.each([
    { name: "a service of which one port is HTTP", service: "mixed", spec: { trafficPolicy: UPGRADE } },
    { name: "a port that is declared as HTTP", service: "mixed", spec: { trafficPolicy: onPort(80) } },
    { name: "an undeclared port, which may carry HTTP", service: "mixed", spec: { trafficPolicy: onPort(82) } },
    {
      name: "streams that are not upgraded",
      service: "streams",
      spec: { trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: "DO_NOT_UPGRADE" } } } },
    },
  ])("is not reported for $name", ({ service, spec }) => {
    expect(upgrades(service, spec)).toEqual([]);
  });
});

describe("settings of a connection pool", () => {
  it("that the proxy does not apply are named, but not Istio's defaults", () => {
    const http = { maxRetries: 3, http2MaxRequests: 0, useClientProtocol: false, h2UpgradePolicy: "DEFAULT" };
    expect(problems("mixed", { trafficPolicy: { connectionPool: { http } } })).toEqual([
      expect.stringMatching(
        /DestinationRule\/rule\.ns1: spec\.trafficPolicy\.connectionPool\.http\.maxRetries: is not applied yet and has no effect/,
      ),
    ]);
  });
});
