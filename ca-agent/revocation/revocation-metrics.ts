import { Gauge, type Registry } from "prom-client";
import type { Revocations } from "../../mesh/policy/types.ts";
import type { Revocation } from "../control/control-state.ts";
import type { ControlFollower } from "../control/control-store.ts";

export interface RevocationMetricsSources {
  readonly control: Pick<ControlFollower, "fault">;
  readonly lists: { fault(): string | undefined; nextUpdateMs(): number | undefined; entries(): readonly unknown[] };
  readonly revocations: { entries(): readonly Revocation[]; current(): Revocations };
}

/** Registers what operators alert on: how much is revoked, and whether what they asked is in force. */
export function registerRevocationMetrics(
  registry: Registry,
  { control, lists, revocations }: RevocationMetricsSources,
): void {
  const registers = [registry];
  new Gauge({
    name: "entente_ca_revocations",
    help: "Revocations in force, by what they revoke; `listed` are certificates of the operator's revocation lists.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const kind of ["serial", "identity", "pod"] as const) {
        this.set({ kind }, revocations.entries().filter(({ what }) => what.kind === kind).length);
      }
      this.set({ kind: "listed" }, lists.entries().length);
    },
  });
  new Gauge({
    name: "entente_ca_revocations_unusable",
    help: "1 while revocations that an operator has provided cannot be used, and the last ones stay in force, by their source.",
    labelNames: ["source"],
    registers,
    collect() {
      this.set({ source: "control" }, control.fault() === undefined ? 0 : 1);
      this.set({ source: "lists" }, lists.fault() === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: "entente_ca_revocation_list_next_update_timestamp",
    help: "When the first of the operator's revocation lists is due, in seconds since 1970; absent without one.",
    registers,
    collect() {
      const ms = lists.nextUpdateMs();
      // `reset` would set it to 0, and an alert would take that for a list that has expired.
      if (ms === undefined) this.remove();
      else this.set(ms / 1000);
    },
  });
}
