import type { CaptureReport } from "../../injector/capture/apply-capture.ts";
import { type CheckGroup, failed, ok, skipped } from "./check.ts";
import { type Fact, judge } from "./fact.ts";

/** What a machine must be able to do to run pods, as a node or for `entente local`. */
export interface MachineFacts {
  /** Unknown: the reason is what it lacks. */
  readonly machine: Fact<string>;
  /** The rules that were set in a network namespace made for it; unknown: why they could not be. */
  readonly capture: Fact<readonly CaptureReport[]>;
}

/** The machine that this program runs on. */
export function checkMachineFacts({ machine, capture }: MachineFacts): CheckGroup {
  return {
    name: "this machine",
    checks: [
      {
        title: "it can run network namespaces",
        outcome: machine.kind === "known" ? ok(machine.value) : failed(machine.reason, "the message says what to do"),
      },
      {
        title: "its kernel and iptables can redirect a pod's traffic",
        outcome: machine.kind === "unknown" ? skipped("it was not tried") : judgeCapture(capture),
      },
    ],
  };
}

function judgeCapture(capture: MachineFacts["capture"]) {
  if (capture.kind === "unknown") return failed(capture.reason, "the message names the kernel module or the right");
  return judge(capture, (reports) => ok(reports.map(({ family, backend }) => `${family} by ${backend}`).join(", ")));
}
