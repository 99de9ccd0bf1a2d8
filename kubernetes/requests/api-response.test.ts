import { describe, expect, it } from "vitest";
import { KINDS } from "../kinds.ts";
import { type ApiResponse, errorFromResponse, parseList, parseObject, parseRetryAfter } from "./api-response.ts";

const NOW_MS = Date.parse("2030-01-01T00:00:00Z");

function response(status: number, body: unknown, retryAfter?: string): ApiResponse {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { call: "GET https://server/api/v1/pods", status, retryAfter, body: Buffer.from(text) };
}

describe("an error response", () => {
  it.each([
    {
      name: "with a Status",
      given: response(409, { kind: "Status", code: 409, reason: "Conflict", message: "changed" }),
      message: "api_refused: GET https://server/api/v1/pods: 409 Conflict: changed",
      fields: { status: 409, reason: "Conflict", retryAfterMs: undefined },
    },
    {
      name: "with a Status and a time to wait in it",
      given: response(504, { kind: "Status", reason: "Timeout", message: "late", details: { retryAfterSeconds: 3 } }),
      message: "api_refused: GET https://server/api/v1/pods: 504 Timeout: late",
      fields: { status: 504, reason: "Timeout", retryAfterMs: 3000 },
    },
    {
      name: "of a load balancer, with a page and Retry-After",
      given: response(503, "<html>secret-token</html>", "7"),
      message: "api_refused: GET https://server/api/v1/pods: 503: no message",
      fields: { status: 503, reason: undefined, retryAfterMs: 7000 },
    },
    {
      name: "with a Status that contradicts HTTP's status",
      given: response(500, { kind: "Status", code: 404, reason: "NotFound", message: "x" }),
      message: "api_refused: GET https://server/api/v1/pods: 500 NotFound: x",
      fields: { status: 500 },
    },
  ])("$name", ({ given, message, fields }) => {
    const error = errorFromResponse(given, NOW_MS);
    expect(error.message).toBe(message);
    expect(error).toMatchObject(fields);
  });

  it("repeats at most 2000 characters of the server's message", () => {
    const error = errorFromResponse(response(400, { kind: "Status", message: "x".repeat(100_000) }), NOW_MS);
    expect(error.message.length).toBeLessThan(2100);
  });
});

describe("Retry-After", () => {
  it.each([
    { value: "5", waitMs: 5000 },
    { value: "Tue, 01 Jan 2030 00:00:30 GMT", waitMs: 30_000 },
    { value: "Mon, 31 Dec 2029 00:00:00 GMT", waitMs: 0 },
    { value: "soon", waitMs: undefined },
    { value: "99999999999", waitMs: undefined },
    { value: undefined, waitMs: undefined },
  ])("$value is $waitMs", ({ value, waitMs }) => {
    expect(parseRetryAfter(value, NOW_MS)).toBe(waitMs);
  });
});

describe("a list", () => {
  it("gives its items the kind that the server leaves out, and keeps what they carry", () => {
    const items = [{ metadata: { name: "a" } }, { apiVersion: "v1", kind: "Pod", metadata: { name: "b" }, spec: {} }];
    expect(parseList({ metadata: { resourceVersion: "7", continue: "" }, items }, KINDS.pods, "GET")).toEqual({
      resourceVersion: "7",
      items: [
        { apiVersion: "v1", kind: "Pod", metadata: { name: "a" } },
        { apiVersion: "v1", kind: "Pod", metadata: { name: "b" }, spec: {} },
      ],
    });
  });

  it("may have null for no items", () => {
    expect(parseList({ metadata: { resourceVersion: "7" }, items: null }, KINDS.pods, "GET").items).toEqual([]);
  });
});

it.each([
  { name: "is no object", value: [] },
  { name: "has no metadata", value: { kind: "Pod" } },
  { name: "has a name that is no text", value: { metadata: { name: 7 } } },
  { name: "has an empty name", value: { metadata: { name: "" } } },
])("an object that $name is refused", ({ value }) => {
  expect(() => parseObject(value, KINDS.pods, "GET x")).toThrow(/api_invalid_response: GET x: a Pod/);
});
