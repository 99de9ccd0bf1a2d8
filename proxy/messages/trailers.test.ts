import { expect, it } from "vitest";
import { listOf } from "./field-list-fixture.ts";
import { forwardedTrailers, withoutNames } from "./trailers.ts";

it.each([
  "content-length",
  "transfer-encoding",
  "host",
  "authorization",
  "set-cookie",
  "x-forwarded-client-cert",
  "x_forwarded_client_cert",
  "te",
  "trailer",
])("%s is not forwarded in a trailer (RFC 9110 §6.5.1)", (name) => {
  expect(forwardedTrailers(listOf([name, "1", "grpc-status", "0"]))).toEqual([{ name: "grpc-status", value: "0" }]);
});

it.each([
  { name: "a line break in a value", texts: ["x", "1\r\ny: 2"] },
  { name: "a line break in a name", texts: ["x\r\ny", "1"] },
  { name: "an empty name", texts: ["", "1"] },
  { name: "a blank at the end", texts: ["x", "1 "] },
])("a trailer with $name is dropped", ({ texts }) => {
  expect(forwardedTrailers(listOf(texts))).toEqual([]);
});

it("no trailers are none", () => {
  expect(forwardedTrailers(undefined)).toEqual([]);
});

it("what is removed from a head does not come back in a trailer, in any spelling", () => {
  const trailers = listOf(["x-sub", "1", "x_sub", "2", "X.Sub".toLowerCase(), "3", "checksum", "4"]);
  expect(forwardedTrailers(withoutNames(trailers, new Set(["x-sub"])))).toEqual([{ name: "checksum", value: "4" }]);
  expect(withoutNames(trailers, new Set())).toBe(trailers);
  expect(withoutNames(undefined, new Set(["x-sub"]))).toBeUndefined();
});
