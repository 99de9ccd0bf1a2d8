import { describe, expect, it } from "vitest";
import { testService } from "../../resources/resource-set-fixture.ts";
import type { ConnectionPool } from "../types.ts";
import { byHost, decideMesh, HOST, rule, world } from "./destination-fixture.ts";

const PORTS = [
  { name: "http", port: 80, targetPort: 8080 },
  { name: "grpc", port: 81, targetPort: 8081 },
  { name: "tcp", port: 82, targetPort: 8082 },
  { name: "any", port: 83, targetPort: 8083 },
];
const WORLD = testService({ name: "world", namespace: "ns2", clusterIP: "10.96.0.2", ports: PORTS });

interface Asked {
  readonly port?: number;
  readonly subset?: string;
  readonly mesh?: "DEFAULT" | "DO_NOT_UPGRADE" | "UPGRADE";
}

/** The connection pool of world.ns2 under a rule with this specification. */
function poolOf(spec: object | undefined, { port = 80, subset = "", mesh = "DEFAULT" }: Asked = {}) {
  const rules = spec === undefined ? [] : [rule(spec)];
  const settings = { h2UpgradePolicy: mesh };
  return decideMesh([WORLD, world(), ...rules], byHost(HOST, port, subset), settings).connectionPool;
}

const http = (pool: object) => ({ connectionPool: { http: pool } });
const UPGRADE = http({ h2UpgradePolicy: "UPGRADE" });
const KEEP = http({ h2UpgradePolicy: "DO_NOT_UPGRADE" });

describe("the HTTP version of upstream requests", () => {
  it.each([
    { port: 80, version: "adaptive", kept: "1.1", upgraded: "2" },
    { port: 81, version: "2", kept: "2", upgraded: "2" },
    { port: 82, version: "client", kept: "client", upgraded: "client" },
    { port: 83, version: "client", kept: "client", upgraded: "client" },
  ])("of port $port is $version, $kept or $upgraded as the mesh says", ({ port, version, kept, upgraded }) => {
    expect(poolOf(undefined, { port }).httpVersion).toBe(version);
    expect(poolOf(undefined, { port, mesh: "DO_NOT_UPGRADE" }).httpVersion).toBe(kept);
    expect(poolOf(undefined, { port, mesh: "UPGRADE" }).httpVersion).toBe(upgraded);
    expect(poolOf({ trafficPolicy: http({ h2UpgradePolicy: "DEFAULT" }) }, { port, mesh: "UPGRADE" })).toEqual({
      httpVersion: upgraded,
    });
  });

  it.each([80, 81, 82, 83])("is 2 for port %d if a rule upgrades: the user knows that it is HTTP", (port) => {
    expect(poolOf({ trafficPolicy: UPGRADE }, { port }).httpVersion).toBe("2");
  });

  it("is the application's where a rule turns the mesh's upgrade off", () => {
    const versions = PORTS.map(({ port }) => poolOf({ trafficPolicy: KEEP }, { port, mesh: "UPGRADE" }).httpVersion);
    expect(versions).toEqual(["1.1", "2", "client", "client"]);
  });

  it("is the client's with useClientProtocol, whatever the mesh's policy", () => {
    const spec = { trafficPolicy: http({ useClientProtocol: true }) };
    expect(PORTS.map(({ port }) => poolOf(spec, { port, mesh: "UPGRADE" }).httpVersion)).toEqual(
      Array(4).fill("client"),
    );
  });
});

describe("the settings of a connection pool", () => {
  const subset = (trafficPolicy?: object) => ({
    subsets: [{ name: "v1", labels: { version: "v1" }, ...(trafficPolicy && { trafficPolicy }) }],
  });
  const port = (number: number, policy: object) => ({ portLevelSettings: [{ port: { number }, ...policy }] });
  const max = (maxRetries: number) => http({ maxRetries });
  const tls = { tls: { mode: "ISTIO_MUTUAL" } };

  it("all reach the client, in milliseconds and without Istio's zeros", () => {
    const all = {
      http2MaxRequests: 1,
      maxRequestsPerConnection: 2,
      maxConcurrentStreams: 3,
      maxRetries: 4,
      idleTimeout: "1m",
    };
    expect(poolOf({ trafficPolicy: http(all) })).toEqual({
      httpVersion: "adaptive",
      maxRequests: 1,
      maxRequestsPerConnection: 2,
      maxConcurrentStreams: 3,
      maxRetries: 4,
      idleTimeoutMs: 60_000,
    } satisfies ConnectionPool);
    expect(poolOf({ trafficPolicy: http({ http2MaxRequests: 0, maxRetries: 0 }) })).toEqual({
      httpVersion: "adaptive",
    });
  });

  it.each([
    { name: "the rule's", spec: { trafficPolicy: max(1) }, expected: 1 },
    {
      name: "the port's, which replace the rule's",
      spec: { trafficPolicy: { ...max(1), ...port(80, max(2)) } },
      expected: 2,
    },
    {
      name: "none for a port whose settings have none: nothing is inherited",
      spec: { trafficPolicy: { ...max(1), ...port(80, tls) } },
      expected: undefined,
    },
    {
      name: "the rule's for another port's settings",
      spec: { trafficPolicy: { ...max(1), ...port(81, max(2)) } },
      expected: 1,
    },
    {
      name: "the subset's, which replace the rule's",
      spec: { trafficPolicy: max(1), ...subset(max(3)) },
      asked: { subset: "v1" },
      expected: 3,
    },
    {
      name: "the rule's for a subset that has only TLS settings",
      spec: { trafficPolicy: max(1), ...subset(tls) },
      asked: { subset: "v1" },
      expected: 1,
    },
    {
      name: "none for a subset whose port's settings have none",
      spec: { trafficPolicy: max(1), ...subset({ ...max(3), ...port(80, tls) }) },
      asked: { subset: "v1" },
      expected: undefined,
    },
    { name: "the rule's without the subset", spec: { trafficPolicy: max(1), ...subset(max(3)) }, expected: 1 },
  ])("are $name", ({ spec, asked, expected }) => {
    expect(poolOf(spec, asked).maxRetries).toBe(expected);
  });

  it("are inherited as a whole: a subset's replace all of the rule's", () => {
    const spec = {
      trafficPolicy: http({ maxRetries: 1, h2UpgradePolicy: "UPGRADE" }),
      ...subset(http({ http2MaxRequests: 5 })),
    };
    expect(poolOf(spec, { subset: "v1" })).toEqual({ httpVersion: "adaptive", maxRequests: 5 });
  });
});
