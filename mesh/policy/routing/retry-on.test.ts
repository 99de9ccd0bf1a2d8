import { describe, expect, it } from "vitest";
import {
  parseRetryOn,
  retriesConnectFailure,
  retriesReset,
  retriesResetBeforeRequest,
  retriesStatus,
} from "./retry-on.ts";

describe("retryOn", () => {
  it.each([
    { text: "", conditions: ["connect-failure", "refused-stream"], statuses: [], unknown: [] },
    { text: "5xx", conditions: ["5xx"], statuses: [], unknown: [] },
    { text: " reset , 503,GATEWAY-ERROR,", conditions: ["reset", "gateway-error"], statuses: [503], unknown: [] },
    { text: "retriable-status-codes,429", conditions: [], statuses: [429], unknown: [] },
    {
      text: "unavailable,conect-failure,600,099",
      conditions: [],
      statuses: [],
      unknown: ["unavailable", "conect-failure", "600", "099"],
    },
  ])("$text", ({ text, conditions, statuses, unknown }) => {
    expect(parseRetryOn(text)).toEqual({ retryOn: { conditions, statuses }, unknown });
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
