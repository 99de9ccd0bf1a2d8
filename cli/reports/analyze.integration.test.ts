import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runForTest } from "../run-cli-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "entente-analyze-"));
const rule = (host: string) =>
  `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: ns1}\nspec: {host: ${host}}\n`;

beforeAll(() => {
  writeFileSync(join(folder, "warning.yaml"), rule("nobody.ns1.svc.cluster.local"));
  writeFileSync(join(folder, "error.yaml"), "kind: DestinationRule\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("entente analyze", () => {
  it.each([
    { file: "warning.yaml", args: [], status: 0 },
    { file: "warning.yaml", args: ["--fail-on", "warning"], status: 1 },
    { file: "warning.yaml", args: ["--fail-on", "warning", "-n", "other"], status: 0 },
    { file: "error.yaml", args: [], status: 1 },
    { file: "missing.yaml", args: [], status: 1 },
    { file: "error.yaml", args: ["--fail-on", "never"], status: 2 },
    { file: "error.yaml", args: ["-o", "yaml"], status: 2 },
  ])("ends with $status for $file and $args", async ({ file, args, status }) => {
    const result = await runForTest("analyze", "-f", join(folder, file), ...args);
    expect(result.status).toBe(status);
    if (status === 2) expect(result.stderr).toMatch(/^entente analyze: usage: --(fail-on|output) must be/);
  });

  it("prints JSON that programs can read", async () => {
    const { stdout } = await runForTest("analyze", "-f", folder, "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject({
      counts: { error: 1, warning: 1, info: 0 },
      findings: [{ code: "IST0106" }, { code: "IST0101", file: join(folder, "warning.yaml"), line: 1 }],
    });
  });
});
