import type { Clock, Logger } from "../../mesh/runtime.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import type { DrainConfig } from "../proxy-config.ts";
import { decidePhase, isIdle, type Phase, type Usage } from "./decide-phase.ts";
import type { EndRequests } from "./end-requests.ts";

export interface DrainOptions {
  readonly requests: EndRequests;
  readonly config: DrainConfig;
  readonly usage: () => Usage;
  /** Each response is its connection's last. Called once. */
  readonly onDraining: () => void;
  /** No connection of another pod is accepted any more, and idle ones are closed. Called once. */
  readonly onOutboundOnly: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How often the usage is read. */
const PERIOD_MS = 100;

/** Waits for a request to end, and leads the proxy through the phases of `decidePhase`. Resolves when it may stop. */
export async function runDrain(options: DrainOptions): Promise<void> {
  const { requests, config, usage, clock } = options;
  await whenAborted(requests.begun);
  let phase: Phase = { kind: "serving" };
  let idleSinceMs: number | undefined;
  while (phase.kind !== "stopped") {
    const nowMs = clock.monotonicMs();
    const current = usage();
    idleSinceMs = isIdle(current) ? (idleSinceMs ?? nowMs) : undefined;
    const next = decidePhase({ request: requests.current, nowMs, usage: current, idleSinceMs, config });
    if (next.kind !== phase.kind) enter(next, phase, options);
    phase = next;
    if (next.kind !== "stopped") await pause(clock);
  }
}

/** A phase may be skipped, but not what begins with it. */
function enter(next: Phase, phase: Phase, options: DrainOptions): void {
  const { requests, config, usage, log } = options;
  const { inbound, outbound } = usage();
  const fields = { component: "proxy", request: requests.current.kind, inbound, outbound };
  if (phase.kind === "serving") {
    log.info({ ...fields, ...config }, "draining: each response to another pod is its connection's last");
    options.onDraining();
  }
  if (phase.kind !== "outbound_only" && next.kind !== "draining") {
    log.info(fields, "connections of other pods are no longer accepted");
    options.onOutboundOnly();
  }
  if (next.kind !== "stopped") return;
  if (next.end === "idle") log.info(fields, "nothing needs the proxy any more: it ends");
  else log.warn(fields, "the drain has reached its deadline: the remaining connections are cut");
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, PERIOD_MS));
}
