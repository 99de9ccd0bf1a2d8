import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { startTestApiServer } from "../kubernetes/test-server/test-api-server-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, ["cli/main.ts", ...args], { stdio: "pipe" });
  cleanup.add(() => child.kill("SIGKILL"));
  return { child, stderr: text(child.stderr), status: statusOf(child) };
}

async function statusOf(child: ChildProcess): Promise<number | null> {
  const [status]: (number | null)[] = await once(child, "exit");
  return status ?? null;
}

/** More than a pipe holds. */
const MANY_RULES = Array.from({ length: 1000 }, (_, index) =>
  JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name: `rule-${index}`, namespace: "ns1" },
    spec: { host: `nobody-${index}.ns1.svc.cluster.local` },
  }),
).join("\n---\n");

describe("the process", () => {
  it("says nothing about a reader that ends early, as head does", async () => {
    const { child, stderr, status } = start("analyze", "-f", "-", "-o", "json");
    child.stdout.once("data", () => child.stdout.destroy());
    child.stdin.end(MANY_RULES);
    expect([await status, await stderr]).toEqual([0, ""]);
  });

  it("ends with 130 and without a word when it is interrupted", async () => {
    const server = await startTestApiServer(cleanup);
    server.faults.add({ kind: "hang" });
    const folder = mkdtempSync(join(tmpdir(), "entente-main-"));
    cleanup.add(() => rmSync(folder, { recursive: true }));
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, server.kubeconfig());
    const { child, stderr, status } = start("version", "--kubeconfig", kubeconfig);
    await expect.poll(() => server.requests.length).toBeGreaterThan(0);
    child.kill("SIGINT");
    expect([await status, await stderr]).toEqual([130, ""]);
  });
});
