import { describe, expect, it } from "vitest";
import type { HeaderField } from "../requests/accepted-request.ts";
import { createUpstreamHeaders, editHeaders, isForwardedToClient, type UpstreamHeaders } from "./upstream-headers.ts";

/** What the gateway writes about the client. */
const WRITTEN = {
  "x-forwarded-for": "198.51.100.7",
  "x-request-id": "id-1",
  "x-envoy-external-address": "198.51.100.7",
};

/** @param fields names and values in turn. */
function headersFor(...fields: readonly string[]): UpstreamHeaders {
  const headers: HeaderField[] = [];
  for (let at = 0; at < fields.length; at += 2) headers.push([(fields[at] ?? "").toLowerCase(), fields[at + 1] ?? ""]);
  const content = { kind: "none" } as const;
  const target = { method: "GET", host: "a.example", scheme: "http", path: "/" } as const;
  return createUpstreamHeaders({ ...target, content, upgrade: undefined, headers }, WRITTEN);
}

const OWN = { host: "a.example", ...WRITTEN };

describe("createUpstreamHeaders", () => {
  it("adds the gateway's own", () => {
    expect(headersFor()).toEqual(OWN);
  });

  it("keeps the client's, with the values of a repeated one separate", () => {
    expect(headersFor("Accept", "a", "X-Multi", "1", "x-multi", "2, 3", "Cookie", "a=b")).toEqual({
      ...OWN,
      accept: "a",
      "x-multi": ["1", "2, 3"],
      cookie: "a=b",
    });
  });

  it.each([
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "HTTP2-Settings",
    "X-Request-Id",
    "X-Forwarded-Proto",
    "x_forwarded_for",
    "X-Forwarded-Client-Cert",
    "X_Forwarded-Client_Cert",
    "X-Envoy-Internal",
    "X-Envoy-External-Address",
    "x.forwarded.for",
    "x_request_id",
    "x-envoy-peer-metadata",
    "X_Envoy_Peer_Metadata_Id",
    "x.forwarded.client.cert",
  ])("drops %s", (name) => {
    expect(headersFor(name, "x")).toEqual(OWN);
  });

  it.each([
    "X-B3-TraceId",
    "traceparent",
    "Authorization",
    "Forwarded",
    "X-Real-Ip",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Original-Url",
  ])("keeps %s, as Istio's gateway does", (name) => {
    expect(headersFor(name, "x")).toEqual({ ...OWN, [name.toLowerCase()]: "x" });
  });

  it("keeps every expectation except 100-continue, which the gateway has fulfilled", () => {
    expect(headersFor("Expect", "100-Continue")).toEqual(OWN);
    expect(headersFor("Expect", "200-ok")).toEqual({ ...OWN, expect: "200-ok" });
  });

  it("drops what Connection names", () => {
    expect(headersFor("Connection", "close, X-Secret", "X-Secret", "1", "x-open", "2")).toEqual({
      ...OWN,
      "x-open": "2",
    });
  });
});

describe("a route's operations", () => {
  it.each(["x-secret", "x_secret", "x.secret"])("remove %s if they remove x-secret", (name) => {
    expect(editHeaders({ [name]: "1", "x-other": "2" }, { removed: new Set(["x-secret"]), added: [] })).toEqual({
      "x-other": "2",
    });
  });
});

describe("isForwardedToClient", () => {
  it.each([
    { name: "content-type", connection: undefined, expected: true },
    { name: "content-length", connection: undefined, expected: true },
    { name: "transfer-encoding", connection: undefined, expected: false },
    { name: "keep-alive", connection: undefined, expected: false },
    { name: "x-hop", connection: "close, X-Hop", expected: false },
  ])("$name with Connection $connection: $expected", ({ name, connection, expected }) => {
    expect(isForwardedToClient(name, connection)).toBe(expected);
  });
});
