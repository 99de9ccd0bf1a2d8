import { X509Certificate } from "node:crypto";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import type { AuthorityFiles } from "./authority-files.ts";
import type { LiveAuthority } from "./live-authority.ts";
import { warnOfStrictFaults } from "./strict-faults.ts";
import { describeMaterial, parseTrustedMaterial, type TrustedMaterialDeps } from "./trusted-material.ts";

export interface AdoptFilesDeps extends TrustedMaterialDeps {
  readonly log: Logger;
  /** Counts changes. */
  readonly onChange?: (outcome: ChangeOutcome) => void;
  /**
   * The files are refused because a certificate of theirs is not valid before this time, in epoch milliseconds: then they are
   * to be offered again. An issuer that dates nothing back is ahead of our clock by a second.
   */
  readonly onEarly?: (validFromMs: number) => void;
}

/** What became of a change. */
export type ChangeOutcome = "in_force" | "refused";

/**
 * Brings changed files into force in a running authority. What is incomplete, invalid or would break the mesh is refused
 * with its reason in the log, and the old material stays in force.
 */
export async function adoptFiles(
  authority: LiveAuthority,
  files: AuthorityFiles,
  deps: AdoptFilesDeps,
): Promise<ChangeOutcome> {
  try {
    const material = await parseTrustedMaterial(files, deps);
    const adoption = authority.adopt(material);
    if (adoption.kind === "refused") throw new CaError("authority_root_lost", `${files.from}: ${adoption.message}`);
    if (adoption.kind === "adopted") {
      const waitMs = Math.max(0, Math.round(adoption.signsAtMs - deps.clock.monotonicMs()));
      deps.log.info(
        { ...describeMaterial(material), from: files.from, signsInMs: waitMs },
        "the authority has changed",
      );
      warnOfStrictFaults(material, files.from, deps.log);
    }
    if (adoption.kind === "adopted") deps.onChange?.("in_force");
    return "in_force";
  } catch (caught) {
    reportRefused(authority, caught, deps);
    const isEarly = caught instanceof CaError && caught.details["reason"] === "not_yet_valid";
    const validFromMs = isEarly ? findNextStart(files, deps.clock.now()) : undefined;
    if (validFromMs !== undefined) deps.onEarly?.(validFromMs);
    return "refused";
  }
}

/** When the next certificate of the files begins to be valid. */
function findNextStart({ certificatePem, chainPem = "", rootsPem = "" }: AuthorityFiles, nowMs: number) {
  const certificates = [certificatePem, chainPem, rootsPem].flatMap(splitCertificates);
  const starts = certificates.map((pem) => new X509Certificate(pem).validFromDate.getTime());
  const next = Math.min(...starts.filter((ms) => ms > nowMs));
  return Number.isFinite(next) ? next : undefined;
}

export function reportRefused(
  authority: Pick<LiveAuthority, "refuse">,
  caught: unknown,
  { log, onChange }: Pick<AdoptFilesDeps, "log" | "onChange">,
): void {
  onChange?.("refused");
  const { code, message } = MeshError.from(caught);
  authority.refuse(message);
  log.error(
    { component: "ca-agent", code, reason: message },
    "the changed authority is refused, the old one stays in force",
  );
}
