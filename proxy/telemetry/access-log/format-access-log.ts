import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import type { AccessLogEntry } from "../request-meter.ts";

/** The maximum length of a value, in characters, so that a line stays readable. */
export const MAX_VALUE_CHARACTERS = 8192;

/** The largest value of a Date. */
const MAX_EPOCH_MS = 8.64e15;

/**
 * One line of JSON, including the line end. Names and types are those of Istio's JSON access log; what is empty is
 * null, as Envoy writes it. `direction`, `peer` and `authorization` are our own. The text of a request is chosen by its client: it is
 * truncated to MAX_VALUE_CHARACTERS, and nothing in it can end the line or control the terminal that shows it.
 */
export function formatAccessLogEntry(entry: AccessLogEntry): string {
  const line = JSON.stringify({
    start_time: formatTime(entry.startedAtMs),
    method: textOf(entry.method),
    path: textOf(entry.path),
    protocol: entry.protocol,
    response_code: wholeOf(entry.status),
    grpc_status: entry.grpcStatus ?? null,
    response_flags: textOf(entry.flags) ?? "-",
    response_code_details: textOf(detailsOf(entry)),
    bytes_received: wholeOf(entry.bytesReceived),
    bytes_sent: wholeOf(entry.bytesSent),
    duration: wholeOf(entry.durationMs),
    authority: textOf(entry.authority),
    request_id: textOf(entry.requestId),
    user_agent: textOf(entry.userAgent),
    upstream_host: textOf(entry.upstream),
    upstream_cluster: textOf(entry.cluster),
    downstream_remote_address: textOf(entry.downstream),
    downstream_local_address: textOf(entry.destination),
    route_name: textOf(entry.route),
    direction: entry.direction,
    peer: textOf(entry.peer),
    authorization: verdictOf(entry.authorization),
  });
  return `${escapeControls(line)}\n`;
}

/** Envoy's details for a response of the upstream. */
function detailsOf({ kind, details, status }: AccessLogEntry): string {
  return details === "" && kind === "request" && status > 0 ? "via_upstream" : details;
}

/** `rule`: the id of the rule that decided. `audited`: a policy with the action AUDIT matched. */
function verdictOf(verdict: AuthorizationVerdict | undefined) {
  if (verdict === undefined) return null;
  const { kind, ruleId, isAudited, dryRun } = verdict;
  return {
    result: kind,
    rule: ruleId,
    audited: isAudited,
    dry_run_allow: dryRunOf(dryRun.allow),
    dry_run_deny: dryRunOf(dryRun.deny),
  };
}

function dryRunOf(shadow: AuthorizationVerdict["dryRun"]["allow"]) {
  return shadow === undefined ? null : { result: shadow.result, rule: shadow.ruleId };
}

function textOf(value: string): string | null {
  if (value.length <= MAX_VALUE_CHARACTERS) return value === "" ? null : value;
  return `${value.slice(0, MAX_VALUE_CHARACTERS)}…`;
}

/** Envoy's numbers are integers. */
function wholeOf(value: number): number {
  return value >= 0 && value < Number.POSITIVE_INFINITY ? Math.round(value) : 0;
}

function formatTime(epochMs: number): string {
  return new Date(Math.abs(epochMs) <= MAX_EPOCH_MS ? epochMs : 0).toISOString();
}

/** JSON does not escape DEL, the C1 controls and Unicode's line ends; a terminal interprets some of them. */
function escapeControls(json: string): string {
  return json.replaceAll(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
