import { describe, expect, it } from "vitest";
import { GRPC_STATUS, isGrpcStatus } from "../../resources/fields/grpc-status-names.ts";
import {
  decideGrpcStatus,
  grpcStatusFromHttp,
  grpcStatusFromReset,
  httpStatusFromGrpc,
  parseGrpcStatus,
} from "./grpc-status.ts";

describe("a gRPC status", () => {
  it("is one of 17 numbers", () => {
    const codes = Array.from({ length: 40 }, (_, index) => index - 10);
    expect(codes.filter(isGrpcStatus)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  });

  it.each([
    { text: undefined, status: undefined },
    { text: "", status: undefined },
    { text: "0", status: 0 },
    { text: "14", status: 14 },
    { text: "16", status: 16 },
    { text: "17", status: 2 },
    { text: "-1", status: 2 },
    { text: " 0", status: 2 },
    { text: "0x0", status: 2 },
    { text: "1e0", status: 2 },
    { text: "unavailable", status: 2 },
    { text: "9".repeat(1000), status: 2 },
  ])("is read from $text as $status: an unknown one is UNKNOWN", ({ text, status }) => {
    expect(parseGrpcStatus(text)).toBe(status);
  });

  it.each([
    { name: "the trailers", response: { inTrailers: "5", inHead: "0", httpStatus: 200 }, status: 5 },
    { name: "a head without a body", response: { inTrailers: undefined, inHead: "16", httpStatus: 200 }, status: 16 },
    {
      name: "the HTTP status",
      response: { inTrailers: undefined, inHead: undefined, httpStatus: 503 },
      status: GRPC_STATUS.UNAVAILABLE,
    },
    {
      name: "a response that ends without one, as UNKNOWN",
      response: { inTrailers: undefined, inHead: "", httpStatus: 200 },
      status: GRPC_STATUS.UNKNOWN,
    },
    {
      name: "no response, as none",
      response: { inTrailers: undefined, inHead: undefined, httpStatus: 0 },
      status: undefined,
    },
  ])("comes from $name", ({ response, status }) => {
    expect(decideGrpcStatus(response)).toBe(status);
  });
});

describe("statuses and codes of HTTP", () => {
  it.each([
    [200, 2],
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [408, 2],
    [429, 14],
    [500, 2],
    [502, 14],
    [503, 14],
    [504, 14],
    [599, 2],
  ])("a response %d without a gRPC status means %d", (http, status) => {
    expect(grpcStatusFromHttp(http)).toBe(status);
  });

  it("every gRPC status has an HTTP status for clients of HTTP, and only OK is a success", () => {
    const statuses = Object.values(GRPC_STATUS).map((status) => [status, httpStatusFromGrpc(status)]);
    expect(statuses.filter(([, http = 0]) => http < 400)).toEqual([[0, 200]]);
    expect(statuses).toContainEqual([GRPC_STATUS.UNAVAILABLE, 503]);
    expect(statuses).toContainEqual([GRPC_STATUS.DEADLINE_EXCEEDED, 504]);
    expect(statuses).toContainEqual([GRPC_STATUS.PERMISSION_DENIED, 403]);
  });

  it.each([
    { code: 0x0, name: "NO_ERROR", status: "INTERNAL" },
    { code: 0x1, name: "PROTOCOL_ERROR", status: "INTERNAL" },
    { code: 0x2, name: "INTERNAL_ERROR", status: "INTERNAL" },
    { code: 0x7, name: "REFUSED_STREAM", status: "UNAVAILABLE" },
    { code: 0x8, name: "CANCEL", status: "CANCELLED" },
    { code: 0xb, name: "ENHANCE_YOUR_CALM", status: "RESOURCE_EXHAUSTED" },
    { code: 0xc, name: "INADEQUATE_SECURITY", status: "PERMISSION_DENIED" },
    { code: 0xffff, name: "an unknown code", status: "INTERNAL" },
  ] as const)("a stream that was reset with $name means $status", ({ code, status }) => {
    expect(grpcStatusFromReset(code)).toBe(GRPC_STATUS[status]);
  });
});
