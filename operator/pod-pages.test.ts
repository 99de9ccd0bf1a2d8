import { expect, it } from "vitest";
import { readJsonPage } from "./pod-pages.ts";

it("a page with an error is refused with its whole reason, which ends with the fix, but not with any text", async () => {
  const read = (body: string) =>
    readJsonPage(
      { get: async () => ({ status: 503, body }) },
      { pod: { namespace: "ns1", name: "web" }, port: 15_014, path: "/debug/ca", signal: new AbortController().signal },
    );
  const reason = `not ready: ${"the Secret lacks a root; ".repeat(20)}add it`;
  const what = "bad_page: /debug/ca on port 15014 of pod ns1/web: status 503";
  await expect(read(`${reason}\n`)).rejects.toThrow(`${what}: ${reason}`);
  await expect(read("x".repeat(100_000))).rejects.toThrow(/^.{1000,1100}$/);
});
