import { formatDuration } from "../text/duration.ts";
import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import type { CertificateFacts, CertificatesReport } from "./certificates-report.ts";

/** The certificates as a table, like istioctl's `proxy-config secret`, and what is wrong with them. */
export function formatCertificates(report: CertificatesReport, nowMs: number, palette: Palette): string {
  const { pod, identity, generation, trustDomains, chain, roots, federated, revocations, problems } = report;
  const head = formatTable([
    ["Pod:", pod],
    ["Identity:", identity ?? "none"],
    ...(generation === undefined ? [] : [["Generation:", String(generation)]]),
    ...(trustDomains.length === 0 ? [] : [["Trust domains:", trustDomains.join(", ")]]),
    ...(revocations === 0 ? [] : [["Revocations:", String(revocations)]]),
  ]);
  const rows = [
    ...chain.map((one, index) => rowOf(index === 0 ? "own" : "intermediate", one, nowMs, palette)),
    ...roots.map((one) => rowOf("root", one, nowMs, palette)),
    ...federated.flatMap((domain) =>
      domain.roots.map((one) => rowOf(`root of ${printable(domain.trustDomain)}`, one, nowMs, palette)),
    ),
  ];
  const header = ["TYPE", "NAME", "KEY", "SERIAL NUMBER", "NOT BEFORE", "NOT AFTER", "LEFT"].map(palette.strong);
  const table = rows.length === 0 ? "" : `\n${formatTable([header, ...rows])}`;
  const list = problems.map((problem) => `${palette.bad("problem")}: ${printable(problem)}\n`).join("");
  return `${head}${table}${list === "" ? "" : `\n${list}`}`;
}

function rowOf(type: string, facts: CertificateFacts, nowMs: number, palette: Palette): readonly string[] {
  const { names, key, serialNumber, notBefore, notAfter } = facts;
  const leftMs = Date.parse(notAfter) - nowMs;
  const left = leftMs > 0 ? palette.good(formatDuration(leftMs)) : palette.bad("expired");
  const name = names.join(", ") || "-";
  return [type, name, key ?? "-", serialNumber || "-", notBefore || "-", notAfter, left];
}
