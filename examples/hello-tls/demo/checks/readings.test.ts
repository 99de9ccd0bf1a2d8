import { describe, expect, it } from "vitest";
import { parseCertificate, parseConnections } from "./admin-views.ts";
import { parseMetrics, sumMetric } from "./metrics-text.ts";
import { formatLogTail, parseLogLines } from "./proxy-log.ts";

const INBOUND = {
  direction: "inbound",
  client: "10.0.0.1:5000",
  destination: "10.0.0.2:8080",
  endpoint: "10.0.0.2:8080",
  host: "world.ns2.svc.cluster.local",
  rule: "MeshPolicy/default",
  mutual_tls: { peer: "spiffe://cluster.local/ns/ns1/sa/default", version: "TLSv1.3", cipher: "C", key_exchange: "" },
};

describe("parseConnections", () => {
  it("reads what /connections shows", () => {
    const text = JSON.stringify({ total_connections: 1, connections: [{ ...INBOUND, open_seconds: 3 }] });
    expect(parseConnections(text)).toEqual([INBOUND]);
  });

  it("distinguishes plaintext from mutual TLS", () => {
    const text = JSON.stringify({ connections: [{ ...INBOUND, mutual_tls: null }] });
    expect(parseConnections(text)[0]?.mutual_tls).toBeNull();
  });

  it.each(["", "<html>", "[]", '{"connections":5}', '{"connections":[1,{"direction":"up"}]}'])(
    "finds no connection in %j",
    (text) => {
      expect(parseConnections(text)).toEqual([]);
    },
  );
});

describe("parseCertificate", () => {
  it("reads the leaf of /certs", () => {
    const text = JSON.stringify({
      identity: "spiffe://a/ns/b/sa/c",
      not_after: "2030-01-01T00:00:00.000Z",
      chain: [{ serial_number: "AB" }, { serial_number: "CD" }],
    });
    expect(parseCertificate(text)).toEqual({
      identity: "spiffe://a/ns/b/sa/c",
      serial: "AB",
      notAfter: "2030-01-01T00:00:00.000Z",
    });
  });

  it.each(["", '{"state":"none"}'])("finds none in %j", (text) => {
    expect(parseCertificate(text)).toBeUndefined();
  });
});

describe("parseMetrics", () => {
  const TEXT = [
    "# HELP failures Failures.",
    'failures{direction="inbound",reason="expired"} 2',
    'failures{direction="inbound",reason="unknown_root"} 3',
    'quoted{text="a\\"b\\\\c, d=\\"e\\""} 1',
    "plain 4.5 1700000000000",
    "",
  ].join("\n");

  it("reads samples with and without labels", () => {
    expect(parseMetrics(TEXT).map((sample) => sample.value)).toEqual([2, 3, 1, 4.5]);
  });

  it("undoes the escapes of label values", () => {
    expect(parseMetrics(TEXT)[2]?.labels).toEqual({ text: 'a"b\\c, d="e"' });
  });

  it.each([
    { labels: { reason: "expired" }, sum: 2 },
    { labels: { direction: "inbound" }, sum: 5 },
    { labels: { direction: "outbound" }, sum: 0 },
  ])("sums the samples with $labels to $sum", ({ labels, sum }) => {
    expect(sumMetric(parseMetrics(TEXT), "failures", labels)).toBe(sum);
  });
});

describe("the proxy's log", () => {
  it("is read line by line, whatever else was printed", () => {
    const text = 'Listening\n{"level":"warn","component":"inbound","code":"expired","client":"a","message":"m"}\n{"cut';
    expect(parseLogLines(text)).toEqual([
      { level: "warn", component: "inbound", code: "expired", client: "a", message: "m" },
    ]);
  });

  it("ends in the lines that are shown for a failure", () => {
    expect(formatLogTail("a\nb\nc\n", 2)).toEqual(["b", "c"]);
  });
});
