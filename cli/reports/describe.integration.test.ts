import { describe, expect, it } from "vitest";
import { runForTest } from "../run-cli-fixture.ts";

const EXAMPLE = ["-f", "examples/hello-tls"];

describe("entente describe of the example", () => {
  it.each([
    { args: ["pod", "hello-tls"], text: /Peer authentication: +STRICT by MeshPolicy\/default \(legacy\)/ },
    { args: ["service", "hello.ns1"], text: /DestinationRule\/hello\.default for "hello\.ns1\.svc.*": decides TLS/ },
    { args: ["pod", "end-tls"], text: /Namespace\/legacy: has pods without a sidecar/ },
  ])("$args", async ({ args, text }) => {
    const { status, stdout } = await runForTest("describe", ...args, ...EXAMPLE);
    expect(status).toBe(0);
    expect(stdout).toMatch(text);
  });

  it("is the same as JSON", async () => {
    const { stdout } = await runForTest("describe", "pod", "hello-tls", ...EXAMPLE, "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject({
      workload: "hello-tls",
      services: [{ host: "hello.ns1.svc.cluster.local" }],
      findings: [],
    });
  });

  it.each([
    { args: ["pod"], status: 2, text: "pod NAME or service NAME" },
    { args: ["node", "x"], status: 2, text: "pod NAME or service NAME" },
    { args: ["service", "nobody"], status: 1, text: "there is no service nobody; there is end.legacy" },
  ])("$args ends with $status", async ({ args, status, text }) => {
    const result = await runForTest("describe", ...args, ...EXAMPLE);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(text);
  });
});
