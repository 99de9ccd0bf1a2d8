import { Counter, Gauge, type Registry } from "prom-client";
import type { DrivingMetrics } from "../../ca-agent/rotation/rotation-driver.ts";
import type { RotationState, SidecarCounts } from "../../ca-agent/rotation/rotation-state.ts";

/** What is shown when the page is requested. */
export interface RotationSights {
  /** Undefined: the operator's own authority, which is not rotated here. */
  readonly phase: () => RotationState["kind"] | undefined;
  /** Of this control plane. */
  readonly sidecars: () => SidecarCounts;
  /** SHA-256 of the root that signs. */
  readonly signingRoot: () => string;
  readonly isLeading: () => boolean;
}

const PHASES = ["steady", "published", "signing", "withdrawing"] as const satisfies readonly RotationState["kind"][];

/**
 * Registers the metrics of the root's rotation. Sidecars are counted by whether they have the root that signs, so no label
 * takes a value from outside.
 */
export function createRotationMetrics(registry: Registry, sights: RotationSights): DrivingMetrics {
  const registers = [registry];
  new Gauge({
    name: "entente_root_rotation_phase",
    help: "Whether the self-signed root is in this phase of its rotation; no phase if the authority is the operator's own.",
    labelNames: ["phase"],
    registers,
    collect() {
      const current = sights.phase();
      for (const phase of PHASES) this.set({ phase }, phase === current ? 1 : 0);
    },
  });
  new Gauge({
    name: "entente_root_rotation_sidecars",
    help: "Connected proxies by whether they trust the root that signs now, and have a certificate of it.",
    labelNames: ["signing_root"],
    registers,
    collect() {
      const { connected, trusting, holding } = sights.sidecars();
      const root = sights.signingRoot();
      this.set({ signing_root: "connected" }, connected);
      this.set({ signing_root: "trusted" }, trusting.get(root) ?? 0);
      this.set({ signing_root: "in_certificate" }, holding.get(root) ?? 0);
    },
  });
  new Gauge({
    name: "entente_root_rotation_rejections",
    help: "Connected proxies that do not accept a trust bundle because of one of its roots. Alert on more than 0.",
    registers,
    collect() {
      const counts = [...sights.sidecars().rejecting.values()].map(({ sidecars }) => sidecars);
      this.set(Math.max(0, ...counts));
    },
  });
  new Gauge({
    name: "entente_root_rotation_leader",
    help: "Whether this control plane takes the steps of a rotation.",
    registers,
    collect() {
      this.set(sights.isLeading() ? 1 : 0);
    },
  });
  const steps = new Counter({
    name: "entente_root_rotation_steps_total",
    help: "Steps of a rotation that this control plane has taken, by the phase that they lead to.",
    labelNames: ["phase"],
    registers,
  });
  const failures = new Counter({
    name: "entente_root_rotation_failures_total",
    help: "Attempts to take a step that have failed.",
    registers,
  });
  return { stepped: (phase) => steps.inc({ phase }), failed: () => failures.inc() };
}
