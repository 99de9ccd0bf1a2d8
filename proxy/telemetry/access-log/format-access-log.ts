import type { AccessLogEntry } from "../request-meter.ts";

/** Characters that a value keeps. No header is longer by much, and a line stays readable. */
export const MAX_VALUE_CHARACTERS = 8192;

/** Beyond what a Date can be. */
const MAX_EPOCH_MS = 8.64e15;

/**
 * One line of JSON, with the line's end. Names and types are those of Istio's JSON access log; what is empty is null, as
 * Envoy writes it. `direction` and `peer` are our own. The text of a request is a stranger's: it is cut to
 * MAX_VALUE_CHARACTERS, and nothing in it can end the line or steer the terminal on which somebody reads it.
 */
export function formatAccessLogEntry(entry: AccessLogEntry): string {
  const line = JSON.stringify({
    start_time: formatTime(entry.startedAtMs),
    method: textOf(entry.method),
    path: textOf(entry.path),
    protocol: entry.protocol,
    response_code: wholeOf(entry.status),
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
  });
  return `${escapeControls(line)}\n`;
}

/** Envoy's word for an answer that the upstream gave. */
function detailsOf({ kind, details, status }: AccessLogEntry): string {
  return details === "" && kind === "request" && status > 0 ? "via_upstream" : details;
}

function textOf(value: string): string | null {
  if (value.length <= MAX_VALUE_CHARACTERS) return value === "" ? null : value;
  return `${value.slice(0, MAX_VALUE_CHARACTERS)}…`;
}

/** Envoy's numbers are whole ones. */
function wholeOf(value: number): number {
  return value >= 0 && value < Number.POSITIVE_INFINITY ? Math.round(value) : 0;
}

function formatTime(epochMs: number): string {
  return new Date(Math.abs(epochMs) <= MAX_EPOCH_MS ? epochMs : 0).toISOString();
}

/** JSON leaves DEL, the C1 controls and Unicode's line ends as they are; a terminal obeys some of them. */
function escapeControls(json: string): string {
  return json.replaceAll(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
