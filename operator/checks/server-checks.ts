import { NEWEST_MINOR, OLDEST_MINOR } from "../../kubernetes/kinds.ts";
import { type CheckGroup, failed, ok, warning } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { judge } from "./fact.ts";

const CLOCK_WARNING_MS = 10_000;
const CLOCK_LIMIT_MS = 60_000;

/** The API server: without it nothing else can be judged. */
export function checkServer(facts: ClusterFacts): CheckGroup {
  const { version, clockAheadMs, server } = facts;
  return {
    name: "Kubernetes API",
    checks: [
      {
        title: "the API server can be reached",
        outcome:
          version.kind === "known"
            ? ok(`${version.value.gitVersion} at ${server}`)
            : failed(version.reason, "check the kubeconfig, its context and the network"),
      },
      { title: `its version is 1.${OLDEST_MINOR} to 1.${NEWEST_MINOR}`, outcome: judge(version, judgeVersion) },
      { title: "its clock agrees with this machine's", outcome: judge(clockAheadMs, judgeClock) },
    ],
  };
}

function judgeVersion({ major, minor, gitVersion }: { major: number; minor: number; gitVersion: string }) {
  if (major === 1 && minor >= OLDEST_MINOR && minor <= NEWEST_MINOR) return ok();
  if (major === 1 && minor < OLDEST_MINOR) return failed(`it is ${gitVersion}`, "upgrade the cluster");
  return warning(`it is ${gitVersion}, which was not tried yet`, "report what does not work");
}

function judgeClock(aheadMs: number) {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const message = `the server is ${seconds} s ${aheadMs > 0 ? "ahead" : "behind"}`;
  const hint = "set both clocks by NTP: certificates and tokens are judged by them";
  if (Math.abs(aheadMs) > CLOCK_LIMIT_MS) return failed(message, hint);
  return Math.abs(aheadMs) > CLOCK_WARNING_MS ? warning(message, hint) : ok();
}
