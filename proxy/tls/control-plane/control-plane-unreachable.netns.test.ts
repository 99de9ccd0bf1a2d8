import { execFile, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { UnreachableReport } from "./unreachable-program-fixture.ts";

const PROGRAM = fileURLToPath(new URL("unreachable-program-fixture.ts", import.meta.url));

const OUTAGES = [
  { outage: "dropped-syn", reason: "did not respond within 5000 ms" },
  { outage: "accepted-and-silent", reason: "did not respond within 5000 ms" },
  { outage: "half-open", reason: "did not respond within 5000 ms" },
];

function namespaceOf(outage: string): string {
  return `entente-test-${process.pid}-${outage}`;
}

beforeAll(() => {
  for (const namespace of OUTAGES.map(({ outage }) => namespaceOf(outage))) {
    execFileSync("ip", ["netns", "add", namespace]);
    execFileSync("ip", ["netns", "exec", namespace, "ip", "link", "set", "lo", "up"]);
  }
});
afterAll(() => {
  for (const { outage } of OUTAGES) execFileSync("ip", ["netns", "del", namespaceOf(outage)]);
});

// Each waits for time limits that are the product's own.
it.concurrent.each(OUTAGES)(
  "a sidecar continues without its control plane, and receives updates soon after its return: $outage",
  async (row) => {
    const command = ["netns", "exec", namespaceOf(row.outage), process.execPath, PROGRAM, row.outage];
    const { stdout } = await promisify(execFile)("ip", command, { timeout: 100_000, killSignal: "SIGKILL" });
    const report: UnreachableReport = JSON.parse(stdout);
    expect(report.reasons).toEqual(report.reasons.map(() => expect.stringContaining(row.reason)));
    expect([report.hasCertificate, report.modeMeanwhile]).toEqual([true, "STRICT"]);
    // Only the attempt that was on its way fails; the next one comes within 5 s. A busy machine may take too long for one more.
    expect(report.failedAfterwards).toBeLessThanOrEqual(2);
    expect(report.stillConnecting).toBe(0);
  },
);
