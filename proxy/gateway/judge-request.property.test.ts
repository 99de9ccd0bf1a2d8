import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeRequest, type RequestHead } from "./judge-request.ts";
import { createUpstreamHeaders } from "./upstream-headers.ts";

const name = fc.constantFrom(
  "Host",
  "Connection",
  "Content-Length",
  "Transfer-Encoding",
  "content_length",
  "Upgrade",
  "X-Forwarded-Client-Cert",
  "x_envoy_internal",
  "X-Forwarded-For",
  "Cookie",
  "X-A",
  "__proto__",
);
const value = fc.oneof(
  fc.constantFrom(
    "shop.example",
    "close",
    "chunked",
    "gzip, chunked",
    "0",
    "12",
    "upgrade, x-a",
    "websocket",
    "host",
    "h2c",
  ),
  fc.string({ maxLength: 12 }),
);
const requestHead: fc.Arbitrary<RequestHead> = fc.record({
  method: fc.constantFrom("GET", "POST", "DELETE"),
  target: fc.oneof(fc.constantFrom("/", "/a//b?c", "http://shop.example/x", "*"), fc.string({ maxLength: 12 })),
  version: fc.constantFrom("1.1", "1.1", "1.0", "2.0"),
  rawHeaders: fc
    .array(fc.tuple(name, value), { maxLength: 8 })
    .map((pairs) => ["Host", "shop.example", ...pairs.flat()]),
});

describe("whatever a client sends", () => {
  it("is refused, or reaches the upstream with one Host, one framing and nothing forged", () => {
    fc.assert(
      fc.property(requestHead, (head) => {
        const verdict = judgeRequest(head);
        if (verdict.kind === "refused") return;
        const headers = createUpstreamHeaders(verdict, { address: "198.51.100.7", requestId: "id" });
        const names = Object.keys(headers).map((each) => each.replaceAll("_", "-"));
        expect(new Set(names).size).toBe(names.length);
        expect(headers["host"]).toBe("shop.example");
        expect(
          names.filter((each) => each === "content-length" || each === "transfer-encoding").length,
        ).toBeLessThanOrEqual(1);
        expect(headers["transfer-encoding"] ?? "chunked").toBe("chunked");
        expect(headers["content-length"] ?? "0").toMatch(/^\d+$/);
        expect(names.filter((each) => each.startsWith("x-envoy-"))).toEqual(["x-envoy-external-address"]);
        expect(headers["x-envoy-external-address"]).toBe("198.51.100.7");
        expect(names).not.toContain("x-forwarded-client-cert");
        expect(headers["x-forwarded-for"]).toMatch(/198\.51\.100\.7$/);
        expect(verdict.path).toMatch(/^\/[\x21-\x7e]*$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("is judged the same when it is forwarded and judged again", () => {
    fc.assert(
      fc.property(requestHead, (head) => {
        const verdict = judgeRequest(head);
        if (verdict.kind === "refused") return;
        const headers = createUpstreamHeaders(verdict, { address: "198.51.100.7", requestId: "id" });
        const rawHeaders = Object.entries(headers).flatMap(([each, values]) =>
          [values].flat().flatMap((one) => [each, one]),
        );
        const again = judgeRequest({ method: verdict.method, target: verdict.path, version: "1.1", rawHeaders });
        expect(again).toMatchObject({ kind: "accepted", path: verdict.path, framing: verdict.framing });
      }),
      { numRuns: 2000 },
    );
  });
});
