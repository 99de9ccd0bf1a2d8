import { Gauge, type Registry } from "prom-client";
import type { ConfigSource } from "../discovery/config-source.ts";
import { TRUST_SOURCES } from "../mesh/policy/authentication/trust-readings.ts";
import type { Clock } from "../mesh/runtime.ts";
import type { Identity } from "./identity/start-identity.ts";

/** A metric for an alert: how old the state is that this control plane serves, in seconds; 0 while it is current. */
export function registerSourceAge(registry: Registry, source: Pick<ConfigSource, "status">, clock: Clock): void {
  new Gauge({
    name: "entente_control_plane_config_stale_seconds",
    help: "For how long the source of the configuration could not be read; 0 while the configuration is current.",
    registers: [registry],
    collect() {
      const status = source.status();
      this.set(status.kind === "stale" ? Math.max(0, (clock.now() - status.sinceMs) / 1000) : 0);
    },
  });
}

/** How old what the trust bundle is made from may be, by source. API servers confirm each about once a minute. */
export function registerTrustAge(registry: Registry, readings: NonNullable<Identity["readings"]>): void {
  new Gauge({
    name: "entente_control_plane_trust_age_seconds",
    help: "How long ago a source of the trust bundle was last known to be what the Kubernetes API has stored.",
    labelNames: ["source"],
    registers: [registry],
    collect() {
      const present = readings();
      this.reset();
      for (const source of TRUST_SOURCES) {
        const reading = present[source];
        if (reading !== undefined) this.set({ source }, reading.ageMs / 1000);
      }
    },
  });
}
