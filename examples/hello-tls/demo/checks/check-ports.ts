import type { DemoPod } from "../pods/demo-pod.ts";
import { type ProbeResult, probeFromPod } from "../pods/probe.ts";
import type { Check, CheckResult, Finding } from "./check.ts";

const PORTS = [15001, 15006, 15000] as const;
const TIMEOUT_MS = 2500;

/** f: connections to the sidecar's own ports are refused. */
export const checkPorts: Check = {
  letter: "f",
  title: "Straight to the sidecar's ports (15001, 15006, 15000)",
  suspects: ({ hello }) => [hello],
  async run({ cluster }): Promise<CheckResult> {
    const { attacker, world, hello } = cluster;
    const from = async (pod: DemoPod, claim: string): Promise<Finding> => {
      const targets = PORTS.map((port) => ({ ip: hello.ip, port, timeoutMs: TIMEOUT_MS }));
      return judge(claim, await probeFromPod(pod, targets));
    };
    return {
      findings: [
        await from(attacker, "of hello's pod, from a pod without sidecar"),
        await from(world, "of hello's pod, from a pod with sidecar"),
        await from(hello, "of hello's pod, from inside by its own address"),
      ],
    };
  },
};

/** Time that runs out is no refusal: something has taken the connection and holds it. */
export function isTurnedAway({ outcome }: ProbeResult): boolean {
  return outcome === "refused" || outcome === "reset" || outcome === "closed";
}

function judge(claim: string, results: readonly ProbeResult[]): Finding {
  return {
    claim,
    passed: results.length === PORTS.length && results.every(isTurnedAway),
    expected: "refused, reset or closed, without one byte",
    seen: results.map(({ outcome }, index) => `${PORTS[index]} ${outcome}`).join(", "),
  };
}
