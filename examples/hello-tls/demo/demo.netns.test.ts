import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { leftoversOf } from "../../../local/system/leftovers-fixture.ts";

const DEMO = fileURLToPath(new URL("demo.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "entente-demo-test-"));
const running = new Set<ChildProcess>();
/** Listens on 8080 while the demos run, unless another program does. */
const squatter = createServer((socket) => socket.destroy());

beforeAll(async () => {
  const isListening = new Promise((resolve) => {
    squatter.once("listening", resolve);
    squatter.once("error", resolve);
  });
  squatter.listen(8080, "127.0.0.1");
  await isListening;
});

afterEach(() => {
  for (const demo of running) demo.kill("SIGKILL");
});

afterAll(() => {
  squatter.close();
  rmSync(scratch, { recursive: true });
});

interface Demo {
  readonly pid: number | undefined;
  readonly shown: () => string;
  /** With its exit status. */
  readonly ended: Promise<number>;
  /** Ends it as Ctrl-C does. */
  interrupt(): Promise<number>;
}

function startDemo(...args: readonly string[]): Demo {
  const demo = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, TMPDIR: scratch },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(demo);
  let shown = "";
  demo.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
  });
  const ended = once(demo, "close").then(([status]) => {
    running.delete(demo);
    return status;
  });
  return {
    pid: demo.pid,
    shown: () => shown,
    ended,
    interrupt: () => {
      demo.kill("SIGINT");
      return ended;
    },
  };
}

/** What a demo has shown of its failures: each claim that does not hold, with what was seen. */
function findFaults(shown: string): readonly string[] {
  const lines = shown.split("\n");
  return lines.flatMap((line, index) =>
    /^ ✗ |did not run to its end/.test(line) ? lines.slice(index, index + 3).join("\n") : [],
  );
}

const GATEWAY = /port 8080 of 127\.0\.0\.1 is in use; the gateway is at http:\/\/127\.0\.0\.1:(\d+)\/ instead/;

describe("the demo", () => {
  it("ends at Ctrl-C with a failure as its last line, and takes its files with it", async () => {
    const demo = startDemo();
    await expect.poll(demo.shown, { timeout: 90_000 }).toContain("creating the node's network");
    expect(await demo.interrupt()).toBe(130);
    expect(demo.shown().trimEnd().split("\n").at(-1)).toBe("demo: 0 passed, 1 failed");
    expect(demo.shown()).toContain("stopped by SIGINT");
    expect(readdirSync(scratch)).toEqual([]);
    expect(leftoversOf([demo.pid])).toEqual([]);
  }, 120_000);

  it("runs beside another one and a program on port 8080, also parts alone: revocation", async () => {
    const [parts, whole] = [startDemo("--only", "a,m"), startDemo()];
    const demos = [parts, whole];
    const ports: (string | undefined)[] = [];
    for (const demo of demos) {
      await expect.poll(demo.shown, { timeout: 90_000 }).toMatch(GATEWAY);
      ports.push(GATEWAY.exec(demo.shown())?.[1]);
    }
    expect(new Set(ports).size).toBe(demos.length);
    // Through the gateway and both sidecars, at each port.
    for (const demo of demos)
      await expect.poll(demo.shown, { timeout: 60_000 }).toMatch(/✓ http:\/\/127\.0\.0\.1:\d+\//);
    await whole.interrupt();
    const status = await parts.ended;
    expect(findFaults(parts.shown())).toEqual([]);
    expect(status).toBe(0);
    expect(parts.shown()).toMatch(/^m\. Revocation.*^demo: \d+ passed, 0 failed$/ms);
    expect(readdirSync(scratch)).toEqual([]);
    expect(leftoversOf(demos.map(({ pid }) => pid))).toEqual([]);
  }, 300_000);
});
