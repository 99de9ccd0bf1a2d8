import { describe, expect, it } from "vitest";
import { limitOfCall, withGrpcTimeout } from "./grpc-deadline.ts";

describe("the limit of a call", () => {
  it.each<{ name: string; field?: string; routeMs?: number; expected?: number }>([
    { name: "is none without both" },
    { name: "is the client's without a route's", field: "2S", expected: 2000 },
    { name: "is the route's without a client's", routeMs: 700, expected: 700 },
    { name: "is the client's, if that is shorter", field: "500m", routeMs: 700, expected: 500 },
    { name: "is the route's, if that is shorter", field: "1H", routeMs: 700, expected: 700 },
    { name: "ignores a malformed field", field: "1x" },
    { name: "keeps the route's beside a malformed field", field: "-1S", routeMs: 700, expected: 700 },
    { name: "ignores a field of 0, which would end every call", field: "0m", routeMs: 700, expected: 700 },
  ])("$name", ({ field, routeMs, expected }) => {
    expect(limitOfCall(field, routeMs)).toBe(expected);
  });
});

describe("the time that is left", () => {
  it("replaces the client's field", () => {
    const { removed, added } = withGrpcTimeout(undefined, 1500);
    expect([...removed]).toEqual(["grpc-timeout"]);
    expect(added).toEqual([{ name: "grpc-timeout", value: "1500m" }]);
  });

  it("stands beside the route's own operations", () => {
    const headers = { removed: new Set(["x-old"]), added: [{ name: "x-new", value: "1" }] };
    const { removed, added } = withGrpcTimeout(headers, 20);
    expect([...removed]).toEqual(["x-old", "grpc-timeout"]);
    expect(added.map(({ name }) => name)).toEqual(["x-new", "grpc-timeout"]);
  });

  it("is not written where the route itself sets the field", () => {
    const headers = { removed: new Set(["grpc-timeout"]), added: [] };
    expect(withGrpcTimeout(headers, 20)).toBe(headers);
  });
});
