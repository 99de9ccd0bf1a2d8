import { Gauge, type Registry } from "prom-client";
import type { ConfigSource } from "../discovery/config-source.ts";
import type { Clock } from "../mesh/runtime.ts";

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
