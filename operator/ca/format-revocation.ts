import type { Revocation } from "../../ca-agent/control/control-state.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { type Palette, printable } from "../text/palette.ts";
import type { RevocationEffect } from "./revocation-effect.ts";
import { describeTarget } from "./revocation-entries.ts";

/** What `entente ca revoke` has done. */
export interface RevocationResult {
  /** The entry in force: the new one, or one that was there before. */
  readonly revocation: Revocation;
  readonly outcome: "revoked" | "would be revoked" | "revoked already";
  readonly effect: Extract<RevocationEffect, { kind: "effective" }>;
}

const SHOWN_NAMES = 10;

export function formatRevocation({ revocation, outcome, effect }: RevocationResult, palette: Palette): string {
  const { what, revokedAt, expiresAt } = revocation;
  const since = outcome === "revoked already" ? `, since ${revokedAt}` : "";
  const until = expiresAt === undefined ? "" : `; the entry goes at ${expiresAt}`;
  const lines = [
    `${describeTarget(what)}: ${palette.strong(outcome)}${since}`,
    `${effect.consequence}${until}`,
    formatAffected(effect.affected),
    ...formatWarnings(effect.warnings, palette),
    `it is lifted by: entente ca unrevoke ${formatOption(what)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** What `entente ca unrevoke` has done. */
export function formatLifting(target: Revocation["what"], warnings: readonly string[], palette: Palette): string {
  return `${[`${describeTarget(target)}: no longer revoked`, ...formatWarnings(warnings, palette)].join("\n")}\n`;
}

function formatWarnings(warnings: readonly string[], palette: Palette): readonly string[] {
  return warnings.map((warning) => `${palette.warning("warning")}: ${printable(warning)}`);
}

function formatAffected(affected: readonly string[]): string {
  if (affected.length === 0) return "affected now: no connected proxy";
  const more = affected.length > SHOWN_NAMES ? ` and ${affected.length - SHOWN_NAMES} more` : "";
  const count = formatCount(affected.length, "connected proxy", "connected proxies");
  return `affected now: ${count}: ${printable(affected.slice(0, SHOWN_NAMES).join(", "))}${more}`;
}

function formatOption(what: Revocation["what"]): string {
  switch (what.kind) {
    case "serial":
      return `--serial ${what.serialNumber}`;
    case "identity":
      return `--identity ${what.identity}`;
    case "pod":
      return `--pod ${what.namespace}/${what.name}`;
  }
}
