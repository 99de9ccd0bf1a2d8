import type { KeyObject } from "node:crypto";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import { createBackoff } from "../../net/backoff.ts";
import { type Moment, momentAfter, momentOf, untilMoment } from "../../net/moment.ts";
import { type AgentMeter, NO_AGENT_METER } from "../telemetry/agent-meter.ts";
import { decideFit } from "./decide-fit.ts";
import { REFUSAL_REASONS, RefusedRenewals } from "./refused-renewals.ts";
import { type RequestCertificate, requestSvid } from "./request-svid.ts";
import type { Svid, WritableSecureContextSource } from "./secure-context-source.ts";
import { decideRenewal, decideWake, isAttemptDue } from "./svid-schedule.ts";
import {
  decideRotation,
  describeReadiness,
  type HeldSvid,
  isAccepted,
  retryCap,
  type SvidFit,
  type SvidReadiness,
  type SvidState,
} from "./svid-state.ts";

export interface SvidManagerOptions {
  readonly identity: SpiffeId;
  readonly request: RequestCertificate;
  /** Receives certificates, and has the trust bundle to which they must chain. */
  readonly source: WritableSecureContextSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** @default counts nothing */
  readonly meter?: Pick<AgentMeter, "certificateRequested" | "certificateRequestEnded">;
  /** @default createSvidKey */
  readonly createKey?: () => KeyObject;
}

export interface SvidManager {
  state(): SvidState;
  readiness(): SvidReadiness;
  /**
   * Calls the listener after each change of the state, and when the certificate has expired. Returns a function that
   * unsubscribes.
   */
  subscribe(listener: (state: SvidState) => void): () => void;
  /**
   * Whether the control plane accepts the certificate in use. If it does not, another one is requested: this one may be
   * revoked, and the trust bundle that says so is only sent to those whom the control plane accepts.
   */
  reportControlPlane(accepts: boolean): void;
  stop(): void;
}

/** Between failed attempts; `retryCap` shortens it. */
const RETRY_MAX_MS = 60_000;

/**
 * Gets the workload's certificate and renews it in time, each with a new key. A new certificate is verified before it
 * is published. While attempts fail, the old one stays in use until it expires, and then there is none.
 */
export function startSvidManager(options: SvidManagerOptions): SvidManager {
  const manager = new Manager(options);
  manager.start();
  return manager;
}

class Manager implements SvidManager {
  readonly #options: SvidManagerOptions;
  readonly #backoff;
  readonly #refused: RefusedRenewals;
  readonly #listeners = new Set<(state: SvidState) => void>();
  readonly #stopping = new AbortController();
  #state: SvidState = { kind: "requesting", held: undefined, failures: 0 };
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #reportedEndMs: number | undefined;
  /** The last certificate that the control plane has refused. */
  #refusedHeld: HeldSvid | undefined;

  constructor(options: SvidManagerOptions) {
    this.#options = options;
    const { random } = options;
    this.#backoff = createBackoff({ random, maxMs: RETRY_MAX_MS });
    this.#refused = new RefusedRenewals(random);
  }

  start(): void {
    this.#unsubscribe = this.#options.source.subscribe(() => this.#review());
    this.#beginAttempt();
  }

  state(): SvidState {
    return this.#state;
  }

  readiness(): SvidReadiness {
    return describeReadiness(this.#state, this.#options.clock.now());
  }

  subscribe(listener: (state: SvidState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reportControlPlane(accepts: boolean): void {
    const state = this.#state;
    if (accepts) this.#refused.acceptedByControlPlane();
    if (accepts || state.kind !== "resting" || state.held === this.#refusedHeld) return;
    this.#refusedHeld = state.held;
    this.#options.log.warn({}, REFUSAL_REASONS.control_plane);
    const now = this.#now();
    const waitMs = this.#refused.nextMs("control_plane");
    if (waitMs < untilMoment(state.renewAt, now)) this.#move({ ...state, renewAt: momentAfter(now, waitMs) });
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#move({ kind: "stopped", held: this.#state.held });
    this.#stopping.abort();
  }

  #move(state: SvidState): void {
    if (this.#state.kind === "stopped") return;
    this.#state = state;
    this.#scheduleWake();
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener(this.#state);
  }

  #scheduleWake(): void {
    this.#timer?.cancel();
    if (this.#state.kind === "stopped") return;
    this.#timer = this.#options.clock.setTimeout(() => this.#wake(), decideWake(this.#state, this.#now()));
  }

  #now(): Moment {
    return momentOf(this.#options.clock);
  }

  #wake(): void {
    this.#reportEnd();
    if (isAttemptDue(this.#state, this.#now())) this.#beginAttempt();
    else this.#scheduleWake();
  }

  #reportEnd(): void {
    const { held } = this.#state;
    const readiness = this.readiness();
    if (held === undefined || readiness.ready || this.#reportedEndMs === held.notAfterMs) return;
    this.#reportedEndMs = held.notAfterMs;
    this.#options.log.error({ code: "certificate_expired", identity: this.#options.identity }, readiness.reason);
    this.#notify();
  }

  #beginAttempt(): void {
    const failures = this.#state.kind === "retrying" ? this.#state.failures : 0;
    this.#move({ kind: "requesting", held: this.#state.held, failures });
    void this.#attempt(failures);
  }

  async #attempt(failures: number): Promise<void> {
    const { source, log, identity, clock, meter = NO_AGENT_METER } = this.#options;
    const startMs = clock.monotonicMs();
    meter.certificateRequested(failures > 0);
    try {
      const svid = await requestSvid({ ...this.#options, trust: () => source.trust(), signal: this.#stopping.signal });
      if (this.#state.kind === "stopped") return;
      source.setSvid(svid);
      meter.certificateRequestEnded(true, clock.monotonicMs() - startMs);
      const notAfter = new Date(svid.notAfterMs).toISOString();
      log.info({ identity, notAfter }, "a new certificate is in use");
      this.#rest(svid);
    } catch (caught) {
      if (this.#state.kind === "stopped") return;
      meter.certificateRequestEnded(false, clock.monotonicMs() - startMs);
      this.#retryLater(failures + 1, MeshError.from(caught));
    }
  }

  #rest(svid: Svid): void {
    const now = this.#now();
    const waitMs = decideRotation(svid, now.wallMs, this.#options.random());
    const held: HeldSvid = { notAfterMs: svid.notAfterMs, halfLife: momentAfter(now, waitMs) };
    this.#backoff.reset();
    this.#plan(held, this.#fit());
  }

  /** Rests until the certificate's renewal, which depends on how it fits the trust bundle. */
  #plan(held: HeldSvid, fit: SvidFit): void {
    const now = this.#now();
    if (isAccepted(fit)) this.#refused.acceptedByPeers();
    const renewAt = decideRenewal(held, fit, now, { random: this.#options.random, refused: this.#refused });
    this.#move({ kind: "resting", held, fit, renewAt });
  }

  #retryLater(failures: number, error: MeshError): void {
    const { clock, log, identity } = this.#options;
    const { held } = this.#state;
    const waitMs = this.#backoff.next(retryCap(held, this.#fit(), clock.now()));
    const reason = error.message;
    this.#move({ kind: "retrying", held, failures, waitMs, reason });
    const level = this.readiness().ready ? "warn" : "error";
    log[level]({ code: error.code, identity, failures, waitMs: Math.round(waitMs) }, `no new certificate: ${reason}`);
  }

  #fit(): SvidFit {
    const { source, clock } = this.#options;
    const material = source.current();
    return material === undefined ? "current" : decideFit(material.certificates, source.trust(), clock.now());
  }

  /** The trust bundle has changed. An attempt in progress looks at it when it ends. */
  #review(): void {
    const state = this.#state;
    if (state.kind !== "resting" && state.kind !== "retrying") return;
    const fit = this.#fit();
    if (state.kind === "resting" && fit === state.fit) return;
    if (!isAccepted(fit)) this.#options.log.warn({}, REFUSAL_REASONS[fit]);
    if (state.kind === "resting") this.#plan(state.held, fit);
    else this.#hasten(state, fit);
  }

  /** An attempt that waits comes sooner if peers no longer accept the certificate that is in use. */
  #hasten(state: Extract<SvidState, { kind: "retrying" }>, fit: SvidFit): void {
    const { clock, random } = this.#options;
    const capMs = retryCap(state.held, fit, clock.now());
    if (capMs < state.waitMs) this.#move({ ...state, waitMs: capMs * random() });
  }
}
