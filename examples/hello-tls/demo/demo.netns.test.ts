import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const DEMO = fileURLToPath(new URL("demo.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "entente-demo-test-"));

afterAll(() => rmSync(scratch, { recursive: true }));

describe("the demo", () => {
  it("ends at Ctrl-C with a failure as its last line, and takes its files with it", async () => {
    const demo = spawn(process.execPath, [DEMO], {
      env: { ...process.env, TMPDIR: scratch },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let shown = "";
    demo.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
    });
    await once(demo.stdout, "data");
    demo.kill("SIGINT");
    const [status] = await once(demo, "close");
    expect(status).toBe(130);
    expect(shown.trimEnd().split("\n").at(-1)).toBe("demo: 0 passed, 1 failed");
    expect(shown).toContain("stopped by SIGINT");
    expect(readdirSync(scratch)).toEqual([]);
  });
});
