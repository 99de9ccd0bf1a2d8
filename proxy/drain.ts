import type { Clock, Logger } from "../mesh/runtime.ts";
import type { ConnectionRegistry } from "./connections/connection-registry.ts";
import type { DrainConfig } from "./proxy-config.ts";

export interface DrainOptions {
  readonly config: DrainConfig;
  readonly registry: ConnectionRegistry;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Drains: waits until no connection is left, at least the minimum and at most until the deadline, and cuts the rest.
 * The caller stops the inbound side before and the outbound side after, because an application that shuts down still
 * calls others (istio#51855, #60649).
 */
export async function drain(options: DrainOptions): Promise<void> {
  const { config, registry, clock, log } = options;
  log.info({ component: "proxy", connections: registry.size, ...config }, "draining");
  const minimum = wait(clock, config.minimumMs);
  const deadline = wait(clock, config.deadlineMs);
  await Promise.race([Promise.all([minimum.over, registry.whenEmpty()]), deadline.over]);
  minimum.cancel();
  deadline.cancel();
  if (registry.size > 0)
    log.warn({ component: "proxy", connections: registry.size }, "connections were cut at the drain's deadline");
  registry.cutAll("drain_deadline");
}

function wait(clock: Clock, durationMs: number): { readonly over: Promise<void>; cancel(): void } {
  let cancel: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    const timer = clock.setTimeout(resolve, durationMs);
    cancel = () => timer.cancel();
  });
  return { over, cancel };
}
