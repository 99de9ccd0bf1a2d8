import { setTimeout as sleep } from "node:timers/promises";
import type { DemoCluster } from "../demo-cluster.ts";
import { scaleLimit } from "../demo-pace.ts";
import { formatCheck, formatLogTails, type LogTail } from "../demo-report.ts";
import type { ProgressLine } from "../progress-line.ts";
import type { TextStyle } from "../text-style.ts";
import type { Check, CheckContext, CheckResult } from "./check.ts";
import { formatLogTail } from "./proxy-log.ts";

export interface ChecksReport {
  readonly progress: ProgressLine;
  readonly style: TextStyle;
  write(text: string): void;
}

/** No check needs longer: one that does counts as hung. */
const CHECK_TIMEOUT_MS = 90_000;
const LOG_LINES = 12;

/** Runs the checks one after the other and reports each as soon as it is done. An interruption ends all. */
export async function runChecks(
  checks: readonly Check[],
  context: CheckContext,
  report: ChecksReport,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    report.progress.hint(`${check.letter}. ${check.title} …`);
    const result = await runCheck(check, context);
    context.signal.throwIfAborted();
    report.progress.clear();
    report.write(formatCheck(check, result, report.style));
    if (result.findings.some((finding) => !finding.passed)) {
      report.write(formatLogTails(await readLogTails(check, context.cluster), report.style));
    }
    results.push(result);
  }
  return results;
}

/** A check that throws or hangs has failed; the others go on. */
async function runCheck(check: Check, context: CheckContext): Promise<CheckResult> {
  const deadline = new AbortController();
  const signal = AbortSignal.any([context.signal, deadline.signal]);
  try {
    return await Promise.race([
      check.run({ ...context, signal }),
      expire(scaleLimit(CHECK_TIMEOUT_MS, context.cluster.pace), deadline.signal),
    ]);
  } catch (caught) {
    const seen = caught instanceof Error ? caught.message : String(caught);
    return { findings: [{ claim: "the check ran to its end", passed: false, expected: "no error", seen }] };
  } finally {
    deadline.abort();
  }
}

async function expire(timeoutMs: number, signal: AbortSignal): Promise<never> {
  await sleep(timeoutMs, undefined, { signal });
  throw new Error(`the check was not done after ${timeoutMs / 1000} s`);
}

function readLogTails(check: Check, cluster: DemoCluster): Promise<readonly LogTail[]> {
  const tails = check.suspects(cluster).map(async (pod) => ({
    name: `${pod.label}'s proxy (${pod.name}.${pod.namespace})`,
    lines: formatLogTail(await pod.proxyLog(), LOG_LINES),
  }));
  return Promise.all(tails);
}
