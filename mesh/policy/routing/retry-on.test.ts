import { describe, expect, it } from "vitest";
import { GRPC_STATUS } from "../../resources/fields/grpc-status-names.ts";
import { findUnknownRetryWords } from "../../resources/fields/retry-words.ts";
import {
  parseRetryOn,
  retriesConnectFailure,
  retriesGrpcStatus,
  retriesRefusedStream,
  retriesReset,
  retriesResetBeforeRequest,
  retriesStatus,
} from "./retry-on.ts";

describe("retryOn", () => {
  it.each([
    {
      text: "",
      retryOn: { conditions: ["connect-failure", "refused-stream"], statuses: [], grpcStatuses: [14, 1] },
    },
    { text: "5xx", retryOn: { conditions: ["5xx"], statuses: [] } },
    { text: " reset , 503,GATEWAY-ERROR,", retryOn: { conditions: ["reset", "gateway-error"], statuses: [503] } },
    { text: "retriable-status-codes,429", retryOn: { conditions: [], statuses: [429] } },
    {
      text: "cancelled,deadline-exceeded,internal,resource-exhausted,unavailable",
      retryOn: { conditions: [], statuses: [], grpcStatuses: [1, 4, 13, 8, 14] },
    },
    {
      text: "unavailable,retriable-headers,envoy-ratelimited,503",
      retryOn: { conditions: [], statuses: [503], grpcStatuses: [14] },
      unsupported: ["retriable-headers", "envoy-ratelimited"],
    },
  ])("$text", ({ text, retryOn, unsupported = [] }) => {
    expect(parseRetryOn(text)).toEqual({ retryOn, unsupported });
    expect(findUnknownRetryWords(text)).toEqual([]);
  });

  it("of words that Istio refuses is refused with their names", () => {
    expect(findUnknownRetryWords("unavailable,conect-failure,600,099, Moon ,")).toEqual([
      "conect-failure",
      "600",
      "099",
      "moon",
    ]);
  });

  it("retries a call of gRPC by the status that it names", () => {
    const statuses = Object.values(GRPC_STATUS);
    const retried = (text: string) =>
      statuses.filter((status) => retriesGrpcStatus(parseRetryOn(text).retryOn, status));
    expect(retried("internal, unavailable")).toEqual([13, 14]);
    expect(retried("")).toEqual([1, 14]);
    expect(retried("5xx,reset")).toEqual([]);
  });

  it.each([
    { text: "", isRetried: true },
    { text: "refused-stream", isRetried: true },
    { text: "reset", isRetried: true },
    { text: "connect-failure", isRetried: false },
    { text: "unavailable", isRetried: false },
  ])("$text retries a refused stream: $isRetried", ({ text, isRetried }) => {
    expect(retriesRefusedStream(parseRetryOn(text).retryOn)).toBe(isRetried);
  });

  it.each([
    { text: "connect-failure", retried: ["connect"] },
    { text: "reset-before-request", retried: ["connect", "unsent"] },
    { text: "reset", retried: ["connect", "unsent", "reset"] },
    { text: "gateway-error", retried: ["connect", "unsent", "reset", "502", "503", "504"] },
    { text: "5xx", retried: ["connect", "unsent", "reset", "500", "502", "503", "504", "599"] },
    { text: "retriable-4xx", retried: ["409"] },
    { text: "retriable-status-codes", retried: [] },
    { text: "500,404", retried: ["404", "500"] },
    { text: "refused-stream", retried: [] },
  ])("$text retries after $retried", ({ text, retried }) => {
    const { retryOn } = parseRetryOn(text);
    const statuses = [200, 404, 409, 499, 500, 502, 503, 504, 599, 600];
    const found = [
      ...(retriesConnectFailure(retryOn) ? ["connect"] : []),
      ...(retriesResetBeforeRequest(retryOn) ? ["unsent"] : []),
      ...(retriesReset(retryOn) ? ["reset"] : []),
      ...statuses.filter((status) => retriesStatus(retryOn, status)).map(String),
    ];
    expect(found).toEqual(retried);
  });
});
