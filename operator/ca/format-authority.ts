import type { RotationStatus } from "../../ca-agent/authority/authority-status.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { formatDuration } from "../text/duration.ts";
import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import type { AuthorityReport, RootRow } from "./authority-report.ts";
import { describePhase, describeRollBack } from "./follow-rotation.ts";

interface Shown {
  readonly nowMs: number;
  readonly palette: Palette;
}

/** The authority for people: the roots as a table, the rest as lines, what needs attention at the end. */
export function formatAuthority(report: AuthorityReport, shown: Shown): string {
  const header = ["ROOT (SHA-256)", "SIGNS", "VALID UNTIL", "LEFT", "TRUSTED BY", "CERTIFICATES"];
  const table = formatTable([
    header.map(shown.palette.strong),
    ...report.roots.map((root) => formatRoot(root, report, shown)),
  ]);
  const facts = formatTable([
    ["Rotation:", printable(formatRotation(report, shown.nowMs))],
    ...(report.unready.length === 0 ? [] : [["Waiting for:", formatUnready(report)]]),
    ["Certificates:", formatLeaves(report, shown.nowMs)],
    ["Revoked:", formatRevoked(report)],
    ["Control planes:", formatControlPlanes(report, shown)],
  ]);
  const problems = report.problems.map((problem) => `${shown.palette.bad("problem")}: ${printable(problem)}\n`);
  const warnings = report.warnings.map((warning) => `${shown.palette.warning("warning")}: ${printable(warning)}\n`);
  const notes = [...problems, ...warnings].join("");
  return `${report.roots.length === 0 ? "" : `${table}\n`}${facts}${notes === "" ? "" : `\n${notes}`}`;
}

/** Eight octets distinguish roots; JSON has all of them. */
const SHOWN_FINGERPRINT = 23;

function formatRoot(root: RootRow, { proxies }: AuthorityReport, { nowMs, palette }: Shown): readonly string[] {
  const leftMs = Date.parse(root.notAfter) - nowMs;
  const trusted = `${root.trustedBy} of ${proxies.connected}`;
  return [
    printable(root.fingerprint.slice(0, SHOWN_FINGERPRINT)),
    root.isSigning ? palette.good("yes") : "no",
    root.notAfter,
    leftMs > 0 ? formatDuration(leftMs) : palette.bad("expired"),
    root.isSigning && root.trustedBy < proxies.connected ? palette.warning(trusted) : trusted,
    String(root.leaves),
  ];
}

const SHOWN_NAMES = 5;

function formatUnready({ unready }: AuthorityReport): string {
  const more = unready.length > SHOWN_NAMES ? ` and ${unready.length - SHOWN_NAMES} more (all with -o json)` : "";
  return `${printable(unready.slice(0, SHOWN_NAMES).join(", "))}${more}`;
}

function formatControlPlanes({ controlPlanes }: AuthorityReport, { palette }: Shown): string {
  const failed = controlPlanes.filter(({ error }) => error !== undefined).length;
  const refusing = controlPlanes.filter(({ refused }) => refused !== undefined).length;
  return [
    String(controlPlanes.length),
    ...(failed === 0 ? [] : [palette.bad(`${failed} cannot be asked`)]),
    ...(refusing === 0 ? [] : [palette.bad(`${refusing} with an earlier state in force than the stored one`)]),
  ].join(", ");
}

/** Whether that is in force or refused. */
const OPERATORS = "by the operator, in Secret cacerts or the files of the CA directory";

function formatRotation({ rotation, request, roots }: AuthorityReport, nowMs: number): string {
  if (rotation === null) return roots.length === 0 ? "unknown" : OPERATORS;
  return `${describePhase(rotation, nowMs)}${formatRollBack(rotation)}${formatRequest(rotation.phase, request)}`;
}

/** While the certificates of its root end, the rotation that was rolled back is the present one. */
function formatRollBack({ phase, rolledBack }: RotationStatus): string {
  if (rolledBack === null) return "";
  return `; ${phase === "withdrawing" ? "it" : "the last one"} was rolled back${describeRollBack(rolledBack)}`;
}

/** When a request to rotate is carried out. */
const WHEN: Readonly<Record<RotationStatus["phase"], string>> = {
  steady: "and not begun yet",
  published: "this one answers it",
  signing: "this one answers it",
  withdrawing: "it begins when this one is over",
};

/** That to go back has come too late where no rotation is in progress. */
function formatRequest(phase: RotationStatus["phase"], request: AuthorityReport["request"]): string {
  if (request === undefined || request.isAnswered) return "";
  const { kind = "rotate", requestedAt } = request;
  if (kind === "rotate")
    return `; ${phase === "steady" ? "" : "another one was "}requested at ${requestedAt}, ${WHEN[phase]}`;
  return phase === "steady" ? "" : `; to go back was requested at ${requestedAt}`;
}

function formatLeaves({ proxies, leaves }: AuthorityReport, nowMs: number): string {
  const { firstExpiry, byHoursLeft } = leaves;
  const connected = formatCount(proxies.connected, "connected proxy", "connected proxies");
  if (firstExpiry === undefined) return connected;
  const parts = byHoursLeft.flatMap(({ lessThan, count }) => {
    if (count === 0) return [];
    return [lessThan === null ? `${count} with more` : `${count} with less than ${lessThan}h`];
  });
  const first = formatDuration(Math.max(0, Date.parse(firstExpiry) - nowMs));
  return `${connected}: ${parts.join(", ")}; the first ends in ${first}`;
}

function formatRevoked({ revocations }: AuthorityReport): string {
  const { certificates, identities, pods, listed } = revocations;
  const asked = certificates + identities + pods;
  const parts = [
    ...(certificates === 0 ? [] : [formatCount(certificates, "certificate")]),
    ...(identities === 0 ? [] : [formatCount(identities, "identity", "identities")]),
    ...(pods === 0 ? [] : [formatCount(pods, "pod")]),
  ];
  return [
    ...(asked === 0 ? [] : [`${parts.join(", ")} (entente ca revocations)`]),
    ...(listed === 0 ? [] : [`${formatCount(listed, "certificate")} by ca-crl.pem`]),
    ...(asked + listed === 0 ? ["nothing"] : []),
  ].join("; ");
}
