import {
  compareReadings,
  mixReadings,
  type TimedReadings,
  type TrustSourceName,
} from "../../mesh/policy/authentication/trust-readings.ts";
import type { TrustBundle } from "../../mesh/policy/types.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import type { AgentMeter } from "../telemetry/agent-meter.ts";
import type { TrustListener } from "./control-plane/subscribed-resources.ts";
import type { Refusal } from "./control-plane/subscription.ts";
import type { WritableSecureContextSource } from "./secure-context-source.ts";
import { parseTrustAnchors } from "./trust-anchors.ts";
import { takeKnown } from "./trust-changes.ts";

export interface TrustFollowerOptions {
  readonly source: Pick<WritableSecureContextSource, "trust" | "setTrust">;
  /** Connects again, perhaps to another control plane. */
  readonly leave: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly meter: Pick<AgentMeter, "controlPlaneBehind">;
}

/** Until a control plane that is behind is left: half of it to all of it, twice as long each time. */
const FIRST_LEAVE_MS = 30_000;
const MAX_LEAVE_MS = 5 * 60_000;

const STORED_IN: Readonly<Record<TrustSourceName, string>> = {
  plugged: "Secret cacerts",
  own: "Secret istio-ca-secret",
  revocations: "ConfigMap entente-ca",
  lists: "ca-crl.pem of Secret cacerts",
};

const FIX =
  "another one has sent a later state. Look why this one does not read the Kubernetes API (its log, " +
  "entente_control_plane_trust_age_seconds), or who has restored an earlier state there";

/**
 * Takes trust bundles. A control plane that is cut off from the Kubernetes API serves an old one: to a proxy that comes from
 * another control plane it must lift no revocation and bring no retired root back.
 */
export class TrustFollower implements TrustListener {
  readonly #options: TrustFollowerOptions;
  #held: TimedReadings = {};
  #leaving: { readonly timer: Timer } | undefined;
  #leaveMs = FIRST_LEAVE_MS;
  #isBehind = false;

  constructor(options: TrustFollowerOptions) {
    this.#options = options;
  }

  /** A bundle that cannot be used is refused as a whole: the last one stays in force, and the control plane receives the reason. */
  take(bundle: TrustBundle, readings: TimedReadings = {}): Refusal | undefined {
    const { source } = this.#options;
    const held = source.trust();
    const received = parseTrustAnchors(bundle, held);
    const { behind, latest } = compareReadings(readings, this.#held);
    const { trust, isPartial, mixed } = takeKnown(received, held, behind);
    source.setTrust(trust);
    this.#held = mixReadings(latest, readings, mixed);
    if (!isPartial) {
      this.#onCurrent();
      return undefined;
    }
    const sources = behind.map((source) => STORED_IN[source]).join(", ");
    this.#onBehind(sources);
    return { reason: `this control plane is behind, by its state of ${sources}` };
  }

  /** Without readings nothing is learnt. */
  confirm(readings: TimedReadings | undefined): void {
    if (readings !== undefined) this.#held = compareReadings(readings, this.#held).latest;
  }

  stop(): void {
    this.#leaving?.timer.cancel();
  }

  #onCurrent(): void {
    const { log, meter } = this.#options;
    this.#leaving?.timer.cancel();
    this.#leaving = undefined;
    this.#leaveMs = FIRST_LEAVE_MS;
    if (!this.#isBehind) return;
    this.#isBehind = false;
    meter.controlPlaneBehind(false);
    log.info({}, "the control plane is not behind any more: its trust bundle is in force");
  }

  #onBehind(sources: string): void {
    const { clock, random, log, meter, leave } = this.#options;
    if (!this.#isBehind) {
      const text = `the control plane is behind: its roots are not taken, and it lifts no revocation; ${FIX}`;
      log.warn({ code: "control_plane_behind", sources }, text);
      meter.controlPlaneBehind(true);
    }
    this.#isBehind = true;
    if (this.#leaving !== undefined) return;
    const waitMs = (this.#leaveMs * (1 + random())) / 2;
    const timer = clock.setTimeout(() => {
      this.#leaving = undefined;
      leave();
    }, waitMs);
    this.#leaving = { timer };
    this.#leaveMs = Math.min(2 * this.#leaveMs, MAX_LEAVE_MS);
  }
}
