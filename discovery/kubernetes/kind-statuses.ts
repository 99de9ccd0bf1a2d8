import type { ReflectorStatus } from "../../kubernetes/reflector/reflector-status.ts";
import type { ResourceKind } from "../../mesh/resources/resource.ts";
import type { SourceStatus } from "../config-source.ts";

/** What is known about the kinds that a source consists of. */
export class KindStatuses {
  readonly #statuses = new Map<ResourceKind, ReflectorStatus>();
  /** Why the kinds of a group cannot be found out. */
  readonly #failedGroups = new Map<string, string>();

  set(kind: ResourceKind, status: ReflectorStatus): void {
    this.#statuses.set(kind, status);
  }

  setGroupFailure(group: string, why: string | undefined): void {
    if (why === undefined) this.#failedGroups.delete(group);
    else this.#failedGroups.set(group, why);
  }

  /** While kinds are missing: which, and why. */
  starting(missing: readonly ResourceKind[]): SourceStatus {
    const known = missing.flatMap((kind) => {
      const status = this.#statuses.get(kind);
      return status?.kind === "stale" || status?.kind === "forbidden" ? [{ kind, why: describe(status) }] : [];
    });
    const reasons = [...new Set([...groupByReason(known), ...this.#failedGroups.values()])];
    if (reasons.length > 0) return { kind: "starting", isFailing: true, reasons };
    return { kind: "starting", isFailing: false, reasons: [`waiting for ${missing.join(", ")}`] };
  }

  current(): SourceStatus {
    const stale = [...this.#statuses].flatMap(([kind, status]) =>
      status.kind === "stale" || status.kind === "forbidden"
        ? [{ kind, sinceMs: status.sinceMs, why: describe(status) }]
        : [],
    );
    if (stale.length === 0) return { kind: "current" };
    const sinceMs = Math.min(...stale.map((one) => one.sinceMs));
    return { kind: "stale", sinceMs, reasons: groupByReason(stale) };
  }
}

function describe(status: Extract<ReflectorStatus, { kind: "stale" | "forbidden" }>): string {
  return status.kind === "forbidden" ? `the right to ${status.missingRight} is missing` : status.why;
}

/** An outage concerns all kinds: one reason names those that it concerns. */
function groupByReason(entries: readonly { readonly kind: ResourceKind; readonly why: string }[]): readonly string[] {
  const byReason = Map.groupBy(entries, ({ why }) => why);
  return [...byReason].map(([why, group]) => `${group.map(({ kind }) => kind).join(", ")}: ${why}`);
}
