import { describe, expect, it } from "vitest";
import { parseGrpcMessage } from "../../../mesh/policy/grpc/grpc-message.ts";
import { formatLocalReply } from "../../http1/writing/format-local-reply.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import { grpcReplyFrom } from "./grpc-reply.ts";

function fieldOf(reply: LocalReply, name: string): string | undefined {
  return reply.fields?.find((field) => field.name === name)?.value;
}

describe("a local reply to a call of gRPC", () => {
  it.each([
    { status: 400, expected: "13" },
    { status: 401, expected: "16" },
    { status: 403, expected: "7" },
    { status: 404, expected: "12" },
    { status: 429, expected: "14" },
    { status: 502, expected: "14" },
    { status: 503, expected: "14" },
    { status: 504, expected: "14" },
    { status: 408, expected: "2" },
    { status: 500, expected: "2" },
    { status: 200, expected: "2" },
  ])("with $status is 200 with grpc-status $expected, as gRPC's clients read it", ({ status, expected }) => {
    const reply = grpcReplyFrom({ status, flags: "NR", details: "because" });
    expect([reply.status, fieldOf(reply, "grpc-status"), fieldOf(reply, "content-type")]).toEqual([
      200,
      expected,
      "application/grpc",
    ]);
  });

  it("has the status that its maker names", () => {
    const reply = grpcReplyFrom({ status: 504, grpcStatus: 4, flags: "UT", details: "" });
    expect([fieldOf(reply, "grpc-status"), fieldOf(reply, "grpc-message")]).toEqual(["4", undefined]);
  });

  it("has no content: the reason is its message, encoded so that nothing can break the field", () => {
    const reply = grpcReplyFrom({ status: 503, flags: "UF", details: "100 %: größer\r\nx: y" });
    const message = fieldOf(reply, "grpc-message") ?? "";
    expect(message).toMatch(/^[ -~]*$/);
    expect(parseGrpcMessage(message)).toBe("100 %: größer\r\nx: y");
    const text = formatLocalReply(reply, { close: false, isHead: false });
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\ncontent-type: application\/grpc\r\n/);
    expect(text.endsWith("\r\n\r\n")).toBe(true);
  });

  it("keeps a report for the client's sidecar, and fields of its own", () => {
    const fields = [{ name: "x-a", value: "b" }];
    const report = { outcome: "undelivered", proof: "0".repeat(32) } as const;
    const reply = grpcReplyFrom({ status: 503, flags: "UC", details: "", report, fields });
    expect([reply.report, fieldOf(reply, "x-a")]).toEqual([report, "b"]);
  });

  it("has the body as its message, if that is not the details of the log", () => {
    const reply = grpcReplyFrom({ status: 403, flags: "-", details: "for the log", body: "for the client" });
    expect(fieldOf(reply, "grpc-message")).toBe("for the client");
    expect(formatLocalReply(reply, { close: false, isHead: false })).toMatch(/content-length: 0\r\n.*\r\n\r\n$/s);
  });

  it("that is a redirect stays one", () => {
    const reply: LocalReply = { status: 301, flags: "-", details: "", fields: [{ name: "location", value: "/x" }] };
    expect(grpcReplyFrom(reply)).toBe(reply);
  });
});
