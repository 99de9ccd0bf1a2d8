import { readFile } from "node:fs/promises";
import { type CurlResult, curlInPod, describeCurl } from "../pods/demo-pod.ts";
import { type Polled, pollUntil } from "../poll-until.ts";
import { replaceFile } from "../replace-file.ts";
import type { Check, CheckContext, CheckResult, Finding } from "./check.ts";

const URL = "http://hello.ns1:8080/";

/** d: plaintext is judged by the policy, and a changed policy is in force at once. */
export const checkPolicy: Check = {
  letter: "d",
  title: "Plaintext from the legacy pod to hello.ns1",
  suspects: ({ hello }) => [hello],
  async run(context): Promise<CheckResult> {
    const { policyFile } = context.cluster;
    const strict = await readFile(policyFile, "utf8");
    const before = await askInClear(context);
    try {
      await replaceFile(policyFile, makePermissive(strict));
      const opened = await awaitVerdict(context, true);
      await replaceFile(policyFile, strict);
      const closed = await awaitVerdict(context, false);
      return {
        findings: [
          findRefused("MeshPolicy/default (STRICT) refuses it", before),
          judgeChange(context, "PERMISSIVE lets it in", opened),
          judgeChange(context, "MeshPolicy as it was refuses it again", closed),
        ],
      };
    } finally {
      await replaceFile(policyFile, strict);
    }
  },
};

/** The document's MeshPolicy with its mode spelled out: legacy `mtls: {}` means STRICT. */
export function makePermissive(strict: string): string {
  const permissive = strict.replace("- mtls: {}", "- mtls: {mode: PERMISSIVE}");
  if (permissive === strict) throw new Error("the MeshPolicy has no `- mtls: {}` that could be made PERMISSIVE");
  return permissive;
}

function askInClear({ cluster }: CheckContext): Promise<CurlResult> {
  return curlInPod(cluster.end, URL);
}

function awaitVerdict(context: CheckContext, isAnswered: boolean): Promise<Polled<CurlResult>> {
  return pollUntil(
    () => askInClear(context),
    (result) => result.isAnswered === isAnswered,
    { everyMs: 20, timeoutMs: context.cluster.pace.inForceMs, signal: context.signal },
  );
}

/** That a request in plaintext got nothing. */
export function findRefused(claim: string, result: CurlResult): Finding {
  return {
    claim,
    passed: !result.isAnswered && result.stdout === "",
    expected: "a reset, and no byte of a response",
    seen: describeCurl(result),
  };
}

function judgeChange(
  { cluster }: CheckContext,
  claim: string,
  { value, isReached, elapsedMs }: Polled<CurlResult>,
): Finding {
  const { inForceMs } = cluster.pace;
  return {
    claim,
    passed: isReached,
    expected: `in force within ${inForceMs} ms`,
    seen: `${describeCurl(value)} after ${Math.round(elapsedMs)} ms`,
  };
}
