import type { ControlState, Revocation } from "../../ca-agent/control/control-state.ts";
import { isInForce } from "../../ca-agent/revocation/revocation-entries.ts";
import { type ConnectedProxy, connectedProxies } from "../proxies/connected-proxies.ts";
import type { ControlPlaneReplica } from "../proxies/sync-page.ts";
import { formatDuration } from "../text/duration.ts";
import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import { isAffected } from "./revocation-effect.ts";
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
  /** The revoked pod whose certificate it is, `NAMESPACE/NAME`. */
  readonly ofPod?: string;
  /** Proxies that have a stream and should be refused: normal for a second. Absent: not known. */
  readonly connected?: number;
}

/** The entries in force, the newest first. */
export function createRevocationsReport(
  control: ControlState,
  replicas: readonly ControlPlaneReplica[],
  nowMs: number,
): readonly RevocationRow[] {
  const isAsked = replicas.some(({ page }) => page.kind === "read");
  const proxies = isAsked ? connectedProxies(replicas) : undefined;
  return control.revocations
    .filter((revocation) => isInForce(revocation, nowMs))
    .map((revocation) => rowOf(revocation, proxies))
    .toSorted((left, right) => Date.parse(right.revokedAt) - Date.parse(left.revokedAt));
}

function rowOf(
  { what, revokedAt, expiresAt, reason }: Revocation,
  proxies: readonly ConnectedProxy[] | undefined,
): RevocationRow {
  const [word = "", name = ""] = describeTarget(what).split(" ");
  // A later pod of the same name is another one, and no control plane says which one it serves.
  const isKnown = proxies !== undefined && !(what.kind === "pod" && what.uid !== undefined);
  return {
    kind: what.kind === "serial" ? "certificate" : what.kind,
    name: name === "" ? word : name,
    revokedAt,
    ...(expiresAt !== undefined && { expiresAt }),
    ...(reason !== undefined && { reason }),
    ...(what.kind === "serial" && what.ofPod !== undefined && { ofPod: what.ofPod }),
    ...(isKnown && { connected: proxies.filter((one) => isAffected(one, what)).length }),
  };
}

export function formatRevocations(rows: readonly RevocationRow[], nowMs: number, palette: Palette): string {
  if (rows.length === 0) return "nothing is revoked\n";
  const header = ["KIND", "NAME", "REVOKED", "ENDS", "CONNECTED", "REASON"].map(palette.strong);
  return formatTable([
    header,
    ...rows.map(({ kind, name, revokedAt, expiresAt, reason = "", ofPod, connected }) => [
      kind,
      printable(name),
      `${formatDuration(nowMs - Date.parse(revokedAt))} ago`,
      expiresAt === undefined ? ENDS[kind] : `in ${formatDuration(Math.max(0, Date.parse(expiresAt) - nowMs))}`,
      connected === undefined ? "-" : (connected === 0 ? palette.good : palette.bad)(String(connected)),
      ofPod === undefined ? oneLine(reason) : `of pod ${printable(ofPod)}`,
    ]),
  ]);
}

/** Of an entry without a time. */
const ENDS: Readonly<Record<RevocationRow["kind"], string>> = {
  certificate: "when lifted",
  identity: "when lifted",
  pod: "with its pod",
};

/** A reason is written by people, and may be written into the stored object by other programs. */
function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, " ")).trim() || "-";
}
