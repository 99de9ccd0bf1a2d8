import { describe, expect, it } from "vitest";
import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import type { AccessLogEntry } from "../request-meter.ts";
import { REQUEST_ENTRY, STREAM_ENTRY } from "./access-log-fixture.ts";
import { formatAccessLogEntry, MAX_VALUE_CHARACTERS } from "./format-access-log.ts";

function written(entry: Partial<AccessLogEntry>): Readonly<Record<string, unknown>> {
  return JSON.parse(formatAccessLogEntry({ ...REQUEST_ENTRY, ...entry }));
}

describe("an entry", () => {
  it("of a request has Istio's names", () => {
    expect(written({})).toStrictEqual({
      start_time: "2030-01-01T00:00:00.250Z",
      method: "GET",
      path: "/hello?name=world",
      protocol: "HTTP/1.1",
      response_code: 200,
      grpc_status: null,
      response_flags: "-",
      response_code_details: "via_upstream",
      bytes_received: 120,
      bytes_sent: 4096,
      duration: 12,
      authority: "world.ns2:8080",
      request_id: "c8e8a3a6-9d0f-4f6e-8a5b-0a3f4b6f1c2d",
      user_agent: "curl/8.5.0",
      upstream_host: "10.0.2.9:8080",
      upstream_cluster: "outbound|8080||world.ns2.svc.cluster.local",
      downstream_remote_address: "10.0.1.5:41234",
      downstream_local_address: "10.96.0.7:8080",
      route_name: "VirtualService/world.ns2[0]",
      direction: "outbound",
      peer: "spiffe://cluster.local/ns/ns2/sa/world",
      authorization: null,
    });
  });

  it("of a judged request has the verdict, the rule that made it, and what dry runs would have decided", () => {
    const authorization: AuthorizationVerdict = {
      kind: "denied",
      ruleId: "ns[ns2]-policy[only hello]-rule[0]",
      isAudited: true,
      dryRun: { allow: { result: "denied", ruleId: "none" } },
    };
    expect(written({ authorization })["authorization"]).toEqual({
      result: "denied",
      rule: "ns[ns2]-policy[only hello]-rule[0]",
      audited: true,
      dry_run_allow: { result: "denied", rule: "none" },
      dry_run_deny: null,
    });
  });

  it("of a call of gRPC has its status as a number, 0 too", () => {
    expect(written({ grpcStatus: 14 })["grpc_status"]).toBe(14);
    expect(written({ grpcStatus: 0 })["grpc_status"]).toBe(0);
  });

  it("of a stream has the same names, and null for missing values", () => {
    const stream = written(STREAM_ENTRY);
    expect(Object.keys(stream)).toEqual(Object.keys(written({})));
    expect(stream).toMatchObject({
      method: null,
      path: null,
      protocol: "TCP",
      response_code: 0,
      response_flags: "DC",
      response_code_details: null,
      authority: null,
      request_id: null,
      user_agent: null,
      route_name: null,
      peer: null,
    });
  });

  it.each([
    { name: "the upstream responded", entry: {}, details: "via_upstream" },
    {
      name: "the proxy sent a local reply",
      entry: { status: 503, flags: "UH", details: "no healthy" },
      details: "no healthy",
    },
    { name: "there was no response", entry: { status: 0, flags: "DC" }, details: null },
  ])("shows that $name", ({ entry, details }) => {
    expect(written(entry)["response_code_details"]).toBe(details);
  });

  it.each([
    { name: "no number", value: Number.NaN },
    { name: "infinite", value: Number.POSITIVE_INFINITY },
    { name: "negative", value: -5 },
  ])("has numbers and a time although the measured value is $name", ({ value }) => {
    expect(written({ durationMs: value, bytesReceived: value, bytesSent: value, startedAtMs: value })).toMatchObject({
      duration: 0,
      bytes_received: 0,
      bytes_sent: 0,
      start_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
  });

  it("rounds to whole milliseconds", () => {
    expect(written({ durationMs: 0.4 })["duration"]).toBe(0);
    expect(written({ durationMs: 0.6 })["duration"]).toBe(1);
  });
});

describe("a client's text", () => {
  it("is truncated if it is too long, and marked", () => {
    const path = `/${"a".repeat(100_000)}`;
    expect(written({ path })["path"]).toBe(`${path.slice(0, MAX_VALUE_CHARACTERS)}…`);
    expect(written({ path: path.slice(0, MAX_VALUE_CHARACTERS) })["path"]).toHaveLength(MAX_VALUE_CHARACTERS);
  });

  it("cannot forge a line, a field or a terminal's command", () => {
    const path = '/"},\n{"method":"FORGED"\r\u0000\u001b[2J\u007f\u0085\u009b31m\u2028';
    const line = formatAccessLogEntry({ ...REQUEST_ENTRY, path, userAgent: path, details: path });
    expect(line.slice(0, -1)).not.toMatch(/[^ -~]/);
    expect(JSON.parse(line)).toMatchObject({ path, user_agent: path, response_code_details: path, method: "GET" });
  });
});
