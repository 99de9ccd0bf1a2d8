import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../../mesh/runtime.ts";
import { isHealthy } from "../../operator/checks/check.ts";
import { evaluateChecks } from "../../operator/checks/evaluate-checks.ts";
import { formatChecks } from "../../operator/checks/format-checks.ts";
import { checkMachineFacts } from "../../operator/checks/machine-checks.ts";
import { readClusterFacts } from "../../operator/checks/read-cluster-facts.ts";
import { type MachineReading, readMachineFacts } from "../../operator/checks/read-machine-facts.ts";
import { type CheckRun, runChecks } from "../../operator/checks/run-checks.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import { MESH_OPTIONS, withMeshCluster } from "../cluster/mesh-cluster.ts";
import { createStderrLogger } from "../cluster/stderr-logger.ts";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { parseDuration } from "../option-values.ts";
import { formatJson, parseChoice } from "./report-options.ts";

const OUTPUTS = ["text", "short", "json"] as const;
const OPTIONS = {
  pre: { type: "boolean", help: "only what must be so before an installation" },
  local: {
    type: "boolean",
    short: "l",
    help: "check this machine instead: whether its kernel and iptables can run pods (as root)",
  },
  wait: { type: "string", value: "TIME", help: "try failed checks again for this time, such as 5m" },
  output: {
    type: "string",
    short: "o",
    choices: OUTPUTS,
    default: "text",
    help: "short shows only what is not in order",
  },
  ...MESH_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[--pre] [OPTION ...]", "--local"],
  text: `
Checks a cluster and the mesh in it: API server, installation, certificate authority, injection and data plane. With --pre:
whether the mesh can be installed. It changes nothing; a pod is created in a dry run, to see it injected.`,
  options: OPTIONS,
  notes: "The exit status is 1 if a check has failed; warnings and skipped checks leave it 0.",
};

/** Preflight and health. */
export const checkCommand: Command = {
  name: "check",
  summary: "check that the mesh can be installed, or that it is healthy",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const output = parseChoice(values.output, OUTPUTS, "--output");
    const waitMs = values.wait === undefined ? 0 : parseDuration(values.wait, "--wait");
    const stage = values.pre === true ? "preflight" : "health";
    const run = (evaluate: CheckRun["evaluate"]) =>
      runChecks({ evaluate, waitMs, clock: systemClock, pause, signal: context.signal });
    const groups =
      values.local === true
        ? await run(async (signal) => [checkMachineFacts(await readMachineFacts(thisMachine(context, signal)))])
        : await withMeshCluster(values, context, (cluster) =>
            run(async (signal) =>
              evaluateChecks(await readClusterFacts({ ...cluster, now: systemClock.now }, stage, signal), stage),
            ),
          );
    const success = isHealthy(groups);
    const detail = output === "short" ? "short" : "everything";
    context.stdout(
      output === "json" ? formatJson({ success, groups }) : formatChecks(groups, choosePalette(context), detail),
    );
    return success ? 0 : 1;
  },
};

function thisMachine({ env, stderr }: CommandContext, signal: AbortSignal): MachineReading {
  const projectFolder = join(import.meta.dirname, "..", "..");
  return {
    platform: process.platform,
    uid: process.getuid?.(),
    projectFolder,
    env,
    log: createStderrLogger(stderr),
    signal,
  };
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return sleep(delayMs, undefined, { signal });
}
