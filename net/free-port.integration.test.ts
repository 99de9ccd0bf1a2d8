import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "./cleanup-fixture.ts";
import { findFreePort, reservePort } from "./free-port-fixture.ts";
import { listen } from "./listen.ts";
import { dialRaw } from "./raw-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const FIXTURE = fileURLToPath(new URL("free-port-fixture.ts", import.meta.url));

/** Evaluates a call of the fixture's in another process, which ends after it. */
function evaluateElsewhere(call: string): unknown {
  const program = `import(${JSON.stringify(FIXTURE)}).then(async (ports) => console.log(await ports.${call}))`;
  return JSON.parse(execFileSync(process.execPath, ["-e", program], { encoding: "utf8" }));
}

describe("a free port", () => {
  it("is one that the system gives to no outgoing connection, and refuses connections", async () => {
    const port = await findFreePort();
    const [firstEphemeral] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/);
    expect(port).toBeLessThan(Number(firstEphemeral));
    await expect(dialRaw(cleanup, port)).rejects.toThrow("ECONNREFUSED");
  });

  it("is given once: neither this process nor another gets it again while this one runs", async () => {
    const port = await findFreePort();
    expect(await reservePort(port)).toBe(false);
    expect(evaluateElsewhere(`reservePort(${port})`)).toBe(false);
  });

  it("is free for others when the process has ended that had it", async () => {
    const port = Number(evaluateElsewhere("findFreePort()"));
    expect(await reservePort(port)).toBe(true);
  });

  it.each(["127.0.0.1", "0.0.0.0", "::1", "::"])("is not one on which something listens on %s", async (host) => {
    const server = createServer();
    const port = await listen(server, { port: 0, host, onError: () => undefined });
    cleanup.add(() => server.close());
    expect(await reservePort(port)).toBe(false);
  });
});
