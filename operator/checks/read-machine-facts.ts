import { applyCapture } from "../../injector/capture/apply-capture.ts";
import { parseCaptureArgs } from "../../injector/capture/capture-args.ts";
import { createCaptureSystem } from "../../injector/capture/capture-system.ts";
import { enterNetworkNamespace } from "../../local/network/network-namespace.ts";
import { removeNamespace } from "../../local/network/node-network.ts";
import { runProgram } from "../../local/run-program.ts";
import { checkMachine, type Machine } from "../../local/system/preconditions.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { readFact, unknown } from "./fact.ts";
import type { MachineFacts } from "./machine-checks.ts";

export interface MachineReading extends Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Tries on this machine what a pod needs, in a network namespace that is removed again. */
export async function readMachineFacts(reading: MachineReading): Promise<MachineFacts> {
  const { signal, ...machine } = reading;
  const fit = await readFact(async () => {
    checkMachine(machine);
    return `${machine.platform}, as root`;
  }, signal);
  if (fit.kind === "unknown") return { machine: fit, capture: unknown(fit.reason) };
  return { machine: fit, capture: await readFact(() => tryCapture(reading), signal) };
}

async function tryCapture({ env, log }: MachineReading) {
  const name = `entente-check-${process.pid}`;
  runProgram("ip", ["netns", "add", name]);
  try {
    const leave = enterNetworkNamespace(name);
    try {
      return await applyCapture(parseCaptureArgs([]), { system: createCaptureSystem(env), log });
    } finally {
      leave();
    }
  } finally {
    removeNamespace(name);
  }
}
