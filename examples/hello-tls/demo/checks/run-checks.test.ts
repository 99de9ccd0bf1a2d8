import { describe, expect, it } from "vitest";
import type { DemoPod } from "../pods/demo-pod.ts";
import { createProgressLine } from "../progress-line.ts";
import { createTextStyle } from "../text-style.ts";
import type { Check, CheckContext } from "./check.ts";
import { runChecks } from "./run-checks.ts";

const POD: DemoPod = {
  label: "hello",
  name: "hello-0",
  namespace: "ns1",
  ip: "10.0.0.1",
  hostInterface: "veth0",
  exec: async () => ({ status: 0, stdout: "", stderr: "" }),
  proxyLog: async () => '{"code":"the reason"}\n',
  processIds: () => [],
};

function createContext(signal: AbortSignal): CheckContext {
  const nothing = async (): Promise<void> => undefined;
  return {
    cluster: {
      gateway: POD,
      hello: POD,
      world: POD,
      end: POD,
      caller: POD,
      greeters: [POD],
      attacker: POD,
      host: { ask: async () => ({ kind: "failed", message: "none" }), stop: nothing },
      gatewayUrl: "http://127.0.0.1:1",
      notices: [],
      policyFile: "none",
      authorizationFile: "none",
      authorityFolder: "none",
      pace: { leafLifetimeS: 18, inForceMs: 1000 },
      ca: async () => ({ status: 0, stdout: "", stderr: "" }),
      readAuthority: async () => "",
      killControlPlane: nothing,
      startControlPlane: nothing,
      stop: nothing,
    },
    traffic: { count: () => ({ kept: 0, fresh: 0, failures: [] }), stop: nothing, resume: () => undefined },
    rotation: { serialsOf: () => [], stop: nothing },
    rootRotation: { request: nothing, awaitEnd: async () => ({ kind: "not_requested" }) },
    scratchFolder: "none",
    signal,
  };
}

function createReport() {
  const written: string[] = [];
  const output = { isTerminal: false, columns: 80, write: (text: string) => written.push(text) };
  const style = createTextStyle({ isTerminal: false, noColor: undefined });
  return { written, report: { progress: createProgressLine(output), style, write: output.write } };
}

function createCheck(letter: string, run: Check["run"]): Check {
  return { letter, title: `check ${letter}`, suspects: ({ hello }) => [hello], run };
}

const GOOD = createCheck("a", async () => ({
  findings: [{ claim: "good", passed: true, expected: "yes", seen: "yes" }],
}));

describe("runChecks", () => {
  it("counts a check that throws as failed, shows the logs, and goes on", async () => {
    const { report, written } = createReport();
    const broken = createCheck("b", async () => {
      throw new Error("the pod is gone");
    });
    const results = await runChecks([broken, GOOD], createContext(new AbortController().signal), report);
    expect(results.map(({ findings }) => findings.map(({ passed }) => passed))).toEqual([[false], [true]]);
    expect(written.join("")).toContain("the pod is gone");
    expect(written.join("")).toContain('{"code":"the reason"}');
  });

  it("shows no log where all is well", async () => {
    const { report, written } = createReport();
    await runChecks([GOOD], createContext(new AbortController().signal), report);
    expect(written.join("")).not.toContain("log of");
  });

  it("ends at an interruption", async () => {
    const { report } = createReport();
    const interrupted = new AbortController();
    const slow = createCheck("a", async () => {
      interrupted.abort(new Error("stopped by SIGINT"));
      return { findings: [] };
    });
    const running = runChecks([slow, GOOD], createContext(interrupted.signal), report);
    await expect(running).rejects.toThrow("stopped by SIGINT");
  });
});
