import { execFile, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FirstBundleReport } from "./first-bundle-program-fixture.ts";

const PROGRAM = fileURLToPath(new URL("first-bundle-program-fixture.ts", import.meta.url));
const ROLES = [
  { role: "sidecar", ports: [15006, 15001] },
  { role: "gateway", ports: [] },
];

function namespaceOf(role: string): string {
  return `entente-test-${process.pid}-${role}`;
}

beforeAll(() => {
  for (const namespace of ROLES.map(({ role }) => namespaceOf(role))) {
    execFileSync("ip", ["netns", "add", namespace]);
    execFileSync("ip", ["netns", "exec", namespace, "ip", "link", "set", "lo", "up"]);
  }
});
afterAll(() => {
  for (const { role } of ROLES) execFileSync("ip", ["netns", "del", namespaceOf(role)]);
});

it.concurrent.each(ROLES)(
  "a $role serves nobody before it has a trust bundle that says what is revoked",
  async ({ role, ports }) => {
    const command = ["netns", "exec", namespaceOf(role), process.execPath, PROGRAM, role];
    const { stdout } = await promisify(execFile)("ip", command, { timeout: 100_000, killSignal: "SIGKILL" });
    const report: FirstBundleReport = JSON.parse(stdout);
    expect(report.readinessBefore).toMatch(/^503 .*no trust bundle has arrived that can be used/);
    expect(report.listeningBefore).toEqual([]);
    expect(report.readinessAfter).toMatch(/^200 /);
    expect(report.listeningAfter).toEqual(ports);
  },
);
