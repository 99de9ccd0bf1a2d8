import { describe, expect, it } from "vitest";
import { RequestFramer } from "../../http1/request-framer.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Fields } from "../../messages/fields.ts";
import { isGrpcRequest } from "./is-grpc-request.ts";

/** The fields as HTTP/1.1 and as HTTP/2 read them. */
function inBothVersions(fields: readonly (readonly [string, string])[]): readonly Fields[] {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const [event] = new RequestFramer().push(Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`));
  if (event?.kind !== "head") throw new Error(`no head but ${event?.kind}`);
  return [event.head.fields, listOf(fields.flatMap(([name, value]) => [name.toLowerCase(), value]))];
}

describe("a call of gRPC, in each version of HTTP", () => {
  it.each<{ name: string; fields: readonly (readonly [string, string])[]; expected: boolean; method?: string }>([
    { name: "has gRPC's content type", fields: [["content-type", "application/grpc"]], expected: true },
    { name: "may name its encoding", fields: [["Content-Type", "application/grpc+proto"]], expected: true },
    { name: "may be written in any case", fields: [["CONTENT-TYPE", "Application/GRPC"]], expected: true },
    {
      name: "is found behind other fields",
      fields: [
        ["cookie", "application/grpc"],
        ["content-type", "application/grpc"],
      ],
      expected: true,
    },
    { name: "is no gRPC-Web", fields: [["content-type", "application/grpc-web+proto"]], expected: false },
    { name: "is no JSON", fields: [["content-type", "application/json"]], expected: false },
    { name: "is not read from another field", fields: [["content-tape", "application/grpc"]], expected: false },
    {
      name: "has one content type",
      fields: [
        ["content-type", "application/grpc"],
        ["content-type", "text/html"],
      ],
      expected: false,
    },
    { name: "has a content type", fields: [["x", "y"]], expected: false },
    { name: "is a POST", fields: [["content-type", "application/grpc"]], expected: false, method: "PUT" },
  ])("$name", ({ fields, expected, method = "POST" }) => {
    for (const each of inBothVersions(fields)) expect(isGrpcRequest({ method, fields: each })).toBe(expected);
  });
});
