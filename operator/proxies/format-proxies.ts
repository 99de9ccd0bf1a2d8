import { formatDuration } from "../text/duration.ts";
import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import type { ProxyRow } from "./proxy-report.ts";
import type { ControlPlaneReplica } from "./sync-page.ts";

/** The proxies as a table, and what needs attention below it. */
export function formatProxies(
  rows: readonly ProxyRow[],
  replicas: readonly ControlPlaneReplica[],
  options: { readonly nowMs: number; readonly palette: Palette },
): string {
  const { nowMs, palette } = options;
  const header = ["POD", "STATE", "VERSION", "CONNECTED", "SENT", "ACKNOWLEDGED", "SUBSCRIPTIONS", "CONTROL PLANE"];
  const age = (time: string | undefined): string =>
    time === undefined ? "-" : formatDuration(nowMs - Date.parse(time));
  const table = formatTable([
    header.map(palette.strong),
    ...rows.map((row) => [
      row.pod,
      (row.problem === undefined ? palette.good : palette.bad)(row.state),
      printable(row.version) || "-",
      age(row.connectedSince),
      age(row.lastSent),
      age(row.lastAcknowledged),
      formatResources(row),
      row.controlPlane ?? "-",
    ]),
  ]);
  const problems = rows.flatMap(({ pod, problem, rejections }) => [
    ...(problem === undefined ? [] : [`${pod}: ${problem}`]),
    ...rejections.map(({ resource, reason }) => `${pod}: ${resource}: ${reason}`),
  ]);
  const unread = replicas.flatMap(({ pod, page }) => (page.kind === "failed" ? [`${pod}: ${page.reason}`] : []));
  const list = [...unread, ...problems].map((line) => `${palette.bad("problem")}: ${printable(line)}\n`);
  return `${table}${list.length === 0 ? "" : `\n${list.join("")}`}`;
}

function formatResources({ resources }: ProxyRow): string {
  const parts = Object.entries(resources).map(([kind, count]) => `${printable(kind)} ${count}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}
