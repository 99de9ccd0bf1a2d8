import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { readPage } from "../../net/metrics/exposition-fixture.ts";
import { createNoMetrics, createProxyMetrics, type ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { AccessLogEntry } from "../telemetry/request-meter.ts";
import type { OpenConnection } from "./connection-registry.ts";
import { observeConnections } from "./observe-connections.ts";
import { FakeRelay } from "./relay-fixture.ts";

const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silent };
const UNKNOWN_PARTIES = { source: undefined, destination: undefined, service: undefined };
const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/world");

const HOUR_MS = 3_600_000;

function ignore(): void {}

const OUTBOUND: OpenConnection = {
  direction: "outbound",
  stage: "open",
  client: "10.0.1.5:41234",
  destination: { ip: "10.96.0.7", port: 5432 },
  endpoint: { ip: "10.0.2.9", port: 15432 },
  host: "world.ns2.svc.cluster.local",
  peer: undefined,
  rule: "mesh",
  openedAtMs: 0,
  relay: new FakeRelay(),
  policyKey: "inbound",
  isAllowed: () => true,
  bytes: () => ({ received: 10, sent: 2000 }),
};

function observe(metrics: ProxyMetrics = createNoMetrics()) {
  const clock = new FakeClock();
  const entries: AccessLogEntry[] = [];
  const observer = observeConnections({
    log: silent,
    metrics,
    clock,
    identity: () => WORLD,
    accessLog: { write: (entry) => void entries.push(entry) },
  });
  return { observer, entries, clock };
}

describe("the access log", () => {
  it("gets a connection when it has ended, with its bytes and duration", async () => {
    const { observer, entries, clock } = observe();
    const open = observer.opened(OUTBOUND, UNKNOWN_PARTIES);
    await clock.advance(2500);
    expect(entries).toEqual([]);
    open.closed("closed");
    expect(entries).toEqual([
      {
        kind: "stream",
        direction: "outbound",
        startedAtMs: Date.parse("2030-01-01T00:00:00Z"),
        durationMs: 2500,
        method: "",
        path: "",
        authority: "",
        protocol: "TCP",
        status: 0,
        flags: "-",
        details: "",
        bytesReceived: 10,
        bytesSent: 2000,
        requestId: "",
        userAgent: "",
        downstream: "10.0.1.5:41234",
        destination: "10.96.0.7:5432",
        upstream: "10.0.2.9:15432",
        cluster: "outbound|5432||world.ns2.svc.cluster.local",
        route: "",
        peer: "",
      },
    ]);
  });

  it.each([
    { end: "closed", flags: "-" },
    { end: "reset_by_downstream", flags: "DC" },
    { end: "reset_by_upstream", flags: "UC" },
    { end: "idle_half_open", flags: "SI" },
    { end: "closed_by_proxy", flags: "DO" },
  ] as const)("shows $flags for a connection that ended as $end", ({ end, flags }) => {
    const { observer, entries } = observe();
    observer.opened(OUTBOUND, UNKNOWN_PARTIES).closed(end);
    expect(entries.map((entry) => entry.flags)).toEqual([flags]);
  });

  it.each([
    { name: "a port of this pod", change: { direction: "inbound" }, cluster: "inbound|5432||" },
    { name: "an unregistered address", change: { host: "" }, cluster: "PassthroughCluster" },
  ] as const)("names $name as Istio does", ({ change, cluster }) => {
    const { observer, entries } = observe();
    observer.opened({ ...OUTBOUND, ...change }, UNKNOWN_PARTIES).closed("closed");
    expect(entries.map((entry) => entry.cluster)).toEqual([cluster]);
  });

  it("names the reason of a connection that the proxy has cut, and counts it", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const { observer, entries } = observe(metrics);
    const connection: OpenConnection = { ...OUTBOUND, cutReason: "revoked" };
    const open = observer.opened(connection, UNKNOWN_PARTIES);
    observer.cut(connection, "revoked");
    open.closed("closed_by_proxy");
    expect(entries).toMatchObject([{ kind: "stream", flags: "DO", details: "revoked" }]);
    expect(await readPage(metrics)).toContain('entente_connections_cut_total{direction="outbound",reason="revoked"} 1');
  });

  it("names the verified peer", () => {
    const { observer, entries } = observe();
    const tls = { tlsVersion: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", keyExchangeGroup: "X25519" };
    const authorities = { roots: [], trustDomains: [] };
    const peer = { identity: WORLD, certificates: [], path: [], verifiedAtMs: 0, authorities, ...tls };
    observer.opened({ ...OUTBOUND, peer }, UNKNOWN_PARTIES).closed("closed");
    expect(entries.map((entry) => entry.peer)).toEqual([WORLD]);
  });

  it("writes IPv6 addresses in brackets", () => {
    const { observer, entries } = observe();
    const address = { ip: "fd00::7", port: 80 };
    observer.opened({ ...OUTBOUND, destination: address, endpoint: address }, UNKNOWN_PARTIES).closed("closed");
    expect(entries[0]).toMatchObject({ destination: "[fd00::7]:80", upstream: "[fd00::7]:80" });
  });

  it.each([-HOUR_MS, HOUR_MS])(
    "has the real duration when the wall clock was set meanwhile: by %i ms",
    async (byMs) => {
      const { observer, entries, clock } = observe();
      const open = observer.opened(OUTBOUND, UNKNOWN_PARTIES);
      await clock.advance(2500);
      clock.jump(byMs);
      open.closed("closed");
      expect(entries[0]).toMatchObject({ durationMs: 2500, startedAtMs: clock.now() - 2500 });
    },
  );
});

describe("a stream that policies deny", () => {
  it("has the flag UAEX and the rule in the log, and counts as opened and closed", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const { observer, entries } = observe(metrics);
    const authorization = { kind: "denied", ruleId: "none", isAudited: false, dryRun: {} } as const;
    const details = "rbac_access_denied_matched_policy[none]";
    observer.opened(OUTBOUND, { ...UNKNOWN_PARTIES, authorization }).denied(details);
    expect(entries).toMatchObject([{ kind: "stream", flags: "UAEX", details, authorization }]);
    const page = await readPage(metrics);
    expect(page).toMatch(/istio_tcp_connections_opened_total\{.*\} 1\n/);
    expect(page).toMatch(/istio_tcp_connections_closed_total\{.*response_flags="UAEX"\} 1\n/);
  });
});
