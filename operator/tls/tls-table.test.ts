import { describe, expect, it } from "vitest";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../mesh/resources/resource-set-fixture.ts";
import { PLAIN } from "../text/palette.ts";
import { formatTlsTable } from "./format-tls-table.ts";
import { createTlsTable, type TlsTableOptions } from "./tls-table.ts";

const CLIENT = testPod({ name: "client", namespace: "ns1", ip: "10.0.0.1" });
const WORLD = testService({ name: "world", namespace: "ns2" });
const HOST = "world.ns2.svc.cluster.local";

const server = (meshed = true, more = {}) =>
  testPod({ name: "world", namespace: "ns2", ip: "10.0.0.2", meshed, ...more });
const mode = (value: string) =>
  testResource("PeerAuthentication", "default", { mtls: { mode: value } }, { namespace: "ns2" });
const tls = (value: string, namespace = "ns2") =>
  testResource("DestinationRule", "world", { host: HOST, trafficPolicy: { tls: { mode: value } } }, { namespace });

function rowsOf(resources: readonly string[], options: TlsTableOptions = {}) {
  return createTlsTable({ set: createTestSet(CLIENT, WORLD, ...resources), settings: TEST_SETTINGS }, options);
}

describe("the table of who speaks what to whom", () => {
  it.each([
    { server: [server()], rules: [], expected: ["AUTO", "PERMISSIVE", "ISTIO_MUTUAL", "default", "auto mTLS"] },
    { server: [server(false)], rules: [], expected: ["AUTO", "NONE", "DISABLE", "no sidecar", "auto mTLS"] },
    {
      server: [server()],
      rules: [mode("STRICT"), tls("ISTIO_MUTUAL")],
      expected: ["OK", "STRICT", "ISTIO_MUTUAL", "PeerAuthentication/default.ns2", "DestinationRule/world.ns2"],
    },
    {
      server: [server()],
      rules: [tls("DISABLE")],
      expected: ["OK", "PERMISSIVE", "DISABLE", "default", "DestinationRule/world.ns2"],
    },
    {
      server: [server()],
      rules: [mode("STRICT"), tls("DISABLE")],
      expected: ["CONFLICT", "STRICT", "DISABLE", "PeerAuthentication/default.ns2", "DestinationRule/world.ns2"],
    },
    {
      server: [server()],
      rules: [mode("DISABLE"), tls("ISTIO_MUTUAL")],
      expected: ["CONFLICT", "DISABLE", "ISTIO_MUTUAL", "PeerAuthentication/default.ns2", "DestinationRule/world.ns2"],
    },
    {
      server: [server(false)],
      rules: [tls("ISTIO_MUTUAL")],
      expected: ["CONFLICT", "NONE", "ISTIO_MUTUAL", "no sidecar", "DestinationRule/world.ns2"],
    },
    {
      server: [],
      rules: [tls("DISABLE")],
      expected: ["NO ENDPOINTS", undefined, undefined, "", "DestinationRule/world.ns2"],
    },
    { server: [server()], rules: [tls("SIMPLE")], expected: ["REFUSED", undefined, undefined, "", ""] },
  ])("$expected", ({ server: servers, rules, expected }) => {
    const [row, ...others] = rowsOf([...servers, ...rules]);
    expect(others).toEqual([]);
    expect([row?.status, row?.server, row?.client, row?.authenticationPolicy, row?.destinationRule]).toEqual(expected);
  });

  it("shows a gateway as a client, and as a server without a sidecar", () => {
    const gateway = testPod({
      name: "world",
      namespace: "ns2",
      ip: "10.0.0.2",
      meshed: false,
      spec: { containers: [{ name: "istio-proxy", args: ["proxy", "gateway"] }] },
    });
    const [row] = rowsOf([gateway, mode("STRICT")]);
    expect(row).toMatchObject({ server: "NONE", client: "DISABLE", clients: ["client.ns1", "world.ns2"] });
  });

  it("has one row for replicas that behave alike, and one for those that differ", () => {
    const other = (name: string, ip: string, meshed: boolean) =>
      testPod({ name, namespace: "ns2", ip, meshed, labels: { app: "world" } });
    const rows = rowsOf([
      server(),
      other("world-b", "10.0.0.3", true),
      other("world-c", "10.0.0.4", false),
      mode("STRICT"),
    ]);
    expect(rows.map(({ status, servers }) => [status, ...servers])).toEqual([
      ["AUTO", "world-b.ns2", "world.ns2"],
      ["AUTO", "world-c.ns2"],
    ]);
  });

  it("lists a DestinationRule's subsets", () => {
    const rule = testResource(
      "DestinationRule",
      "world",
      { host: HOST, subsets: [{ name: "v1", labels: { app: "world" }, trafficPolicy: { tls: { mode: "DISABLE" } } }] },
      { namespace: "ns2" },
    );
    expect(rowsOf([server(), rule]).map(({ subset, client }) => [subset, client])).toEqual([
      ["", "ISTIO_MUTUAL"],
      ["v1", "DISABLE"],
    ]);
  });

  it("joins clients that the same rules apply to, and separates those of another namespace", () => {
    const clients = [
      testPod({ name: "b", namespace: "ns1", ip: "10.0.1.1" }),
      testPod({ name: "c", namespace: "ns3", ip: "10.0.1.2" }),
    ];
    const spec = { host: HOST, exportTo: ["."], trafficPolicy: { tls: { mode: "DISABLE" } } };
    const onlyThere = testResource("DestinationRule", "world", spec, { namespace: "ns3" });
    const rows = rowsOf([server(), ...clients, onlyThere]).filter(({ host }) => host === HOST);
    expect(
      rows
        .map(({ client, clients: names }) => [client, ...names])
        .toSorted()
        .reverse(),
    ).toEqual([
      ["ISTIO_MUTUAL", "b.ns1", "client.ns1", "world.ns2"],
      ["DISABLE", "c.ns3"],
    ]);
  });

  it("separates the clients that a rule's workloadSelector selects", () => {
    const selective = testResource(
      "DestinationRule",
      "world",
      {
        host: HOST,
        workloadSelector: { matchLabels: { app: "client" } },
        trafficPolicy: { tls: { mode: "DISABLE" } },
      },
      { namespace: "ns1" },
    );
    const other = testPod({ name: "b", namespace: "ns1", ip: "10.0.1.1" });
    const rows = rowsOf([server(), other, selective], { namespace: "ns1" });
    expect(rows.map(({ client, clients }) => [client, ...clients]).toSorted()).toEqual([
      ["DISABLE", "client.ns1"],
      ["ISTIO_MUTUAL", "b.ns1"],
    ]);
  });

  it("shows a client without a sidecar only if it is asked for, and that STRICT refuses it", () => {
    const legacy = testPod({ name: "old", namespace: "ns3", ip: "10.0.1.1", meshed: false });
    const resources = [server(), legacy, mode("STRICT"), tls("ISTIO_MUTUAL")];
    const set = createTestSet(CLIENT, WORLD, ...resources);
    expect(rowsOf(resources, { namespace: "ns3" })).toEqual([]);
    expect(rowsOf(resources, { client: findTestPod(set, "ns3/old") })).toMatchObject([
      { status: "CONFLICT", client: "NONE", destinationRule: "no sidecar", server: "STRICT" },
    ]);
  });

  it("shows the protocol that each port declares, or that it declares none", () => {
    const ports = [
      { name: "grpc-api", port: 80 },
      { name: "api", port: 81 },
    ];
    const rows = rowsOf([server(), testService({ name: "world", namespace: "ns2", ports })]);
    expect(rows.map(({ port, protocol }) => [port, protocol])).toEqual([
      [80, "grpc"],
      [81, "undeclared"],
    ]);
    expect(formatTlsTable(rows, PLAIN, { hasClients: false })).toMatch(/:80 +AUTO .* grpc\n/);
  });

  it("gives each failing row its reason and the fix in text", () => {
    const text = formatTlsTable(rowsOf([server(false), tls("ISTIO_MUTUAL")]), PLAIN, { hasClients: true });
    expect(text).toMatch(/^HOST:PORT +STATUS +SERVER +CLIENT +AUTHN POLICY +DESTINATION RULE +PROTOCOL +CLIENTS\n/);
    expect(text).toMatch(
      /\nCONFLICT world\.ns2\.svc\.cluster\.local:8080 from client\.ns1 to world\.ns2: the client sends/,
    );
    expect(text).toContain("tls mode DISABLE, or inject the server");
  });
});
