import { describe, expect, it } from "vitest";
import { DELIVERY_FIELD } from "./delivery-field.ts";
import { responseHeadFrom } from "./response-head.ts";

const PROOF = "0123456789abcdef".repeat(2);

function read(status: number, endsStream: boolean) {
  const received = {
    status,
    names: ["content-type", DELIVERY_FIELD, "grpc-status"],
    values: ["application/grpc", `undelivered-${PROOF}`, "14"],
    neverIndexed: [],
    contentLength: undefined,
  };
  return responseHeadFrom(received, { endsStream, toHead: false });
}

describe("a sidecar's report of delivery", () => {
  it.each([
    { name: "a 503", status: 503, endsStream: false, report: "undelivered" },
    { name: "a gRPC response that is its head alone", status: 200, endsStream: true, report: "undelivered" },
    { name: "a response with content, which cannot be a local reply of gRPC", status: 200, endsStream: false },
    { name: "another status", status: 404, endsStream: true },
  ])("is read in $name, and never a field", ({ status, endsStream, report }) => {
    const head = read(status, endsStream);
    expect(head.report?.outcome).toBe(report);
    if (report !== undefined) expect(head.report?.proof).toBe(PROOF);
    expect(head.fields.get(DELIVERY_FIELD)).toBeUndefined();
    expect(head.fields.get("grpc-status")).toBe("14");
  });
});
