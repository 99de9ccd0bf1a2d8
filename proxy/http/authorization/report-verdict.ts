import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import type { Logger, LogLimiter } from "../../../mesh/runtime.ts";
import type { AuthorizationMeter } from "../../telemetry/request-meter.ts";

/** The request that was judged, for the log. */
export interface JudgedClient {
  /** `ip:port`. */
  readonly client: string;
  /** `ip:port`. */
  readonly destination: string;
  /** The verified SPIFFE id; empty for plaintext. */
  readonly peer: string;
}

export interface VerdictReportDeps {
  readonly meters: AuthorizationMeter;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

/** Counts the verdict on a request. A denial is also logged, without anything that the client has sent. */
export function reportVerdict(verdict: AuthorizationVerdict, judged: JudgedClient, deps: VerdictReportDeps): void {
  const { meters, log, limitLog } = deps;
  meters.countVerdict(verdict, "http");
  if (verdict.kind === "allowed") return;
  const { isGranted, heldBack } = limitLog("authorization_denied");
  if (!isGranted) return;
  const { client, destination, peer } = judged;
  const fields = { code: "authorization_denied", client, destination, peer, rule: verdict.ruleId, heldBack };
  log.warn(fields, "a request was denied by an AuthorizationPolicy");
}
