import { describe, expect, it } from "vitest";
import { checkTrailers } from "./check-fields.ts";
import { checkResponse } from "./check-response.ts";

type Pairs = readonly (readonly [string, string])[];

function fieldsOf(pairs: Pairs) {
  return { names: pairs.map(([name]) => name), values: pairs.map(([, value]) => value), neverIndexed: [] };
}

describe("a malformed response is refused", () => {
  it.each<{ name: string; pairs: Pairs; code: string; endsStream?: boolean }>([
    { name: "no :status", pairs: [["x", "y"]], code: "bad_pseudo_field" },
    { name: "nothing", pairs: [], code: "bad_pseudo_field" },
    {
      name: "two :status",
      pairs: [
        [":status", "200"],
        [":status", "200"],
      ],
      code: "bad_pseudo_field",
    },
    {
      name: "a field before :status",
      pairs: [
        ["x", "y"],
        [":status", "200"],
      ],
      code: "bad_pseudo_field",
    },
    {
      name: "a request's pseudo-field",
      pairs: [
        [":status", "200"],
        [":path", "/"],
      ],
      code: "bad_pseudo_field",
    },
    { name: "a status of two digits", pairs: [[":status", "20"]], code: "bad_status" },
    { name: "a status with a reason", pairs: [[":status", "200 OK"]], code: "bad_status" },
    { name: "status 099", pairs: [[":status", "099"]], code: "bad_status" },
    { name: "101", pairs: [[":status", "101"]], code: "bad_status" },
    {
      name: "an interim response that ends the stream",
      pairs: [[":status", "103"]],
      code: "bad_status",
      endsStream: true,
    },
    {
      name: "transfer-encoding",
      pairs: [
        [":status", "200"],
        ["transfer-encoding", "chunked"],
      ],
      code: "connection_field",
    },
    {
      name: "host",
      pairs: [
        [":status", "200"],
        ["host", "a"],
      ],
      code: "bad_field_name",
    },
    {
      name: "CRLF in a value",
      pairs: [
        [":status", "200"],
        ["location", "/\r\nset-cookie: a"],
      ],
      code: "bad_field_value",
    },
    {
      name: "a declared length without content",
      pairs: [
        [":status", "200"],
        ["content-length", "3"],
      ],
      code: "bad_content_length",
      endsStream: true,
    },
  ])("$name", ({ pairs, code, endsStream = false }) => {
    const checked = checkResponse(fieldsOf(pairs), endsStream, false);
    expect(checked.kind === "malformed" ? checked.fault.code : "accepted").toBe(code);
  });
});

it.each([
  { name: "to HEAD", status: "200", toHead: true },
  { name: "304", status: "304", toHead: false },
])("a response without content may declare a length: $name", ({ status, toHead }) => {
  const pairs: Pairs = [
    [":status", status],
    ["content-length", "3"],
  ];
  expect(checkResponse(fieldsOf(pairs), true, toHead)).toMatchObject({
    kind: "ok",
    value: { status: Number(status), contentLength: 3 },
  });
});

it.each<{ name: string; pairs: Pairs; kind: string }>([
  {
    name: "of gRPC",
    pairs: [
      ["grpc-status", "0"],
      ["grpc-message", "fine"],
    ],
    kind: "ok",
  },
  { name: "none", pairs: [], kind: "ok" },
  { name: "with a pseudo-field", pairs: [[":status", "200"]], kind: "malformed" },
  {
    name: "with a pseudo-field behind others",
    pairs: [
      ["a", "b"],
      [":path", "/"],
    ],
    kind: "malformed",
  },
  { name: "with content-length", pairs: [["content-length", "0"]], kind: "malformed" },
  { name: "with host", pairs: [["host", "a"]], kind: "malformed" },
  { name: "with transfer-encoding", pairs: [["transfer-encoding", "chunked"]], kind: "malformed" },
])("trailers $name are judged: $kind", ({ pairs, kind }) => {
  expect(checkTrailers(fieldsOf(pairs)).kind).toBe(kind);
});
