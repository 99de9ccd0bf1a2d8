import { execFile, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { UnreachableReport } from "./unreachable-program-fixture.ts";

const NAMESPACE = `entente-test-cp-${process.pid}`;
const PROGRAM = fileURLToPath(new URL("unreachable-program-fixture.ts", import.meta.url));

beforeAll(() => {
  execFileSync("ip", ["netns", "add", NAMESPACE]);
  execFileSync("ip", ["netns", "exec", NAMESPACE, "ip", "link", "set", "lo", "up"]);
});
afterAll(() => {
  execFileSync("ip", ["netns", "del", NAMESPACE]);
});

it.each([
  { outage: "dropped-syn", reason: "did not respond within 5000 ms" },
  { outage: "accepted-and-silent", reason: "did not respond within 5000 ms" },
  { outage: "half-open", reason: "did not respond within 5000 ms" },
])(
  "a sidecar continues without its control plane, and receives updates within 10 s of its return: $outage",
  async (row) => {
    const command = ["netns", "exec", NAMESPACE, process.execPath, PROGRAM, row.outage];
    const { stdout } = await promisify(execFile)("ip", command, { timeout: 55_000, killSignal: "SIGKILL" });
    const report: UnreachableReport = JSON.parse(stdout);
    expect(report.reasons.every((reason) => reason.includes(row.reason))).toBe(true);
    expect([report.hasCertificate, report.modeMeanwhile]).toEqual([true, "STRICT"]);
    expect(report.servedAfterMs).toBeLessThan(10_000);
    expect(report.stillConnecting).toBe(0);
  },
);
