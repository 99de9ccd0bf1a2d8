import type { ControlState, Revocation } from "../../ca-agent/control/control-state.ts";
import { isInForce } from "../../ca-agent/revocation/revocation-entries.ts";
import { formatDuration } from "../text/duration.ts";
import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import { AffectedProxies } from "./affected-proxies.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import { describeTarget } from "./revocation-entries.ts";

/** What is revoked. */
export interface RevocationRow {
  readonly kind: "certificate" | "identity" | "pod";
  /** Serial number, SPIFFE id, or `NAMESPACE/NAME`. */
  readonly name: string;
  /** ISO 8601, as are all times. */
  readonly revokedAt: string;
  /** Absent: until it is lifted, or until the pod and its certificates are gone. */
  readonly expiresAt?: string;
  readonly reason?: string;
  /** Of the pod. Absent: every pod of this name. */
  readonly uid?: string;
  /** Proxies that have a stream and should be refused: normal for a second. Absent: not known. */
  readonly connected?: number;
}

/** The entries in force, the newest first. */
export function createRevocationsReport(
  control: ControlState,
  replicas: readonly AuthorityReplica[],
  nowMs: number,
): readonly RevocationRow[] {
  const isAsked = replicas.some(({ page }) => page.kind === "read");
  const proxies = isAsked ? new AffectedProxies(replicas) : undefined;
  return control.revocations
    .filter((revocation) => isInForce(revocation, nowMs))
    .map((revocation) => rowOf(revocation, proxies))
    .toSorted((left, right) => Date.parse(right.revokedAt) - Date.parse(left.revokedAt));
}

function rowOf(
  { what, revokedAt, expiresAt, reason }: Revocation,
  proxies: AffectedProxies | undefined,
): RevocationRow {
  const [word = "", name = ""] = describeTarget(what).split(" ");
  return {
    kind: what.kind === "serial" ? "certificate" : what.kind,
    name: name === "" ? word : name,
    revokedAt,
    ...(expiresAt !== undefined && { expiresAt }),
    ...(reason !== undefined && { reason }),
    ...(what.kind === "pod" && what.uid !== undefined && { uid: what.uid }),
    ...(proxies !== undefined && { connected: proxies.find(what).length }),
  };
}

export function formatRevocations(rows: readonly RevocationRow[], nowMs: number, palette: Palette): string {
  if (rows.length === 0) return "nothing is revoked\n";
  const header = ["KIND", "NAME", "REVOKED", "ENDS", "CONNECTED", "REASON"].map(palette.strong);
  return formatTable([
    header,
    ...rows.map(({ kind, name, uid, revokedAt, expiresAt, reason = "", connected }) => [
      kind,
      printable(name),
      `${formatDuration(nowMs - Date.parse(revokedAt))} ago`,
      expiresAt === undefined ? endless(uid) : `in ${formatDuration(Math.max(0, Date.parse(expiresAt) - nowMs))}`,
      connected === undefined ? "-" : (connected === 0 ? palette.good : palette.bad)(String(connected)),
      oneLine(reason),
    ]),
  ]);
}

/** Of an entry without a time. */
function endless(uid: string | undefined): string {
  return uid === undefined ? "when lifted" : "with its pod";
}

/** A reason is written by people, and may be written into the stored object by other programs. */
function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, " ")).trim() || "-";
}
