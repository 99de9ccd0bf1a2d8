import type { KeyObject, X509Certificate } from "node:crypto";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import { createBackoff } from "./control-plane/backoff.ts";
import { createSvidKey, formatCertificateRequest } from "./csr.ts";
import { svidFromIssued } from "./issued-certificate.ts";
import type { SecureMaterial, Svid, WritableSecureContextSource } from "./secure-context-source.ts";
import {
  decideRotation,
  describeReadiness,
  type HeldSvid,
  retryCap,
  type SvidReadiness,
  type SvidState,
} from "./svid-state.ts";

/** Calls the certificate authority. Rejects if it returns no certificate. */
export type RequestCertificate = (csrPem: string, signal: AbortSignal) => Promise<CertificateResponse>;

export interface CertificateResponse {
  /** PEM, leaf first. */
  readonly chain: readonly string[];
  /** The authorities that verified the control plane for this response. */
  readonly controlPlaneRoots: readonly X509Certificate[];
}

export interface SvidManagerOptions {
  readonly identity: SpiffeId;
  readonly request: RequestCertificate;
  /** Receives certificates, and has the trust bundle to which they must chain. */
  readonly source: WritableSecureContextSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
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
  stop(): void;
}

/** How often the wall clock is checked: timers do not run while a machine is suspended, but certificates expire. */
const MAX_WAIT_MS = 10_000;
/** For a whole attempt, whatever the client's own deadlines are. */
const ATTEMPT_TIMEOUT_MS = 20_000;

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
  readonly #listeners = new Set<(state: SvidState) => void>();
  readonly #stopping = new AbortController();
  #state: SvidState = { kind: "requesting", held: undefined, failures: 0 };
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #reportedEndMs: number | undefined;

  constructor(options: SvidManagerOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ random: options.random });
  }

  start(): void {
    this.#unsubscribe = this.#options.source.subscribe((material) => this.#reviewOwn(material));
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
    this.#timer = this.#options.clock.setTimeout(() => this.#wake(), this.#waitMs(this.#state));
  }

  #waitMs(state: Exclude<SvidState, { kind: "stopped" }>): number {
    // By elapsed time: a wall clock that is set back must not delay an attempt.
    if (state.kind === "retrying") return state.waitMs;
    const nowMs = this.#options.clock.now();
    const endMs = state.held === undefined || state.held.notAfterMs < nowMs ? Infinity : state.held.notAfterMs + 1;
    const dueMs = state.kind === "resting" ? Math.min(state.rotateAtMs, endMs) : endMs;
    return Math.max(0, Math.min(dueMs - nowMs, MAX_WAIT_MS));
  }

  #wake(): void {
    const state = this.#state;
    this.#reportEnd();
    const isDue =
      state.kind === "retrying" || (state.kind === "resting" && this.#options.clock.now() >= state.rotateAtMs);
    if (isDue) this.#beginAttempt();
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
    const { source, log, identity } = this.#options;
    try {
      const svid = await this.#requestSvid();
      if (this.#state.kind === "stopped") return;
      source.setSvid(svid);
      const notAfter = new Date(svid.notAfterMs).toISOString();
      log.info({ identity, notAfter }, "a new certificate is in use");
      this.#rest(svid);
    } catch (caught) {
      if (this.#state.kind !== "stopped") this.#retryLater(failures + 1, MeshError.from(caught));
    }
  }

  async #requestSvid(): Promise<Svid> {
    const { identity, request, source, clock, createKey = createSvidKey } = this.#options;
    const privateKey = createKey();
    const csrPem = formatCertificateRequest(privateKey, identity);
    const deadline = new AbortController();
    const timer = clock.setTimeout(
      () => deadline.abort(new Error(`no response within ${ATTEMPT_TIMEOUT_MS} ms`)),
      ATTEMPT_TIMEOUT_MS,
    );
    const signal = AbortSignal.any([deadline.signal, this.#stopping.signal]);
    try {
      const answer = await untilAborted(request(csrPem, signal), signal);
      // The root file is as good as the bundle: it vouches for who sends the bundle. Without it, a workload that
      // slept through a change of the root could never come back.
      const { roots, trustDomains } = source.trust();
      const trust = { roots: [...roots, ...answer.controlPlaneRoots], trustDomains };
      return svidFromIssued({ chain: answer.chain, privateKey, identity, trust, nowMs: clock.now() });
    } finally {
      timer.cancel();
    }
  }

  #rest(svid: Svid): void {
    const receivedAtMs = this.#options.clock.now();
    const held: HeldSvid = { receivedAtMs, notAfterMs: svid.notAfterMs };
    this.#backoff.reset();
    this.#move({ kind: "resting", held, rotateAtMs: decideRotation(svid, receivedAtMs, this.#options.random()) });
  }

  #retryLater(failures: number, error: MeshError): void {
    const { clock, log, identity } = this.#options;
    const { held } = this.#state;
    const waitMs = this.#backoff.next(retryCap(held, clock.now()));
    const reason = error.message;
    this.#move({ kind: "retrying", held, failures, waitMs, reason });
    const level = this.readiness().ready ? "warn" : "error";
    log[level]({ code: error.code, identity, failures, waitMs: Math.round(waitMs) }, `no new certificate: ${reason}`);
  }

  /** A bundle without our own root: peers with this bundle refuse us, so a new certificate is due now. */
  #reviewOwn(material: SecureMaterial): void {
    if (this.#state.kind !== "resting") return;
    const { certificates, roots, trustDomains } = material;
    const nowMs = this.#options.clock.now();
    const verdict = verifyPeer({ certificates, sessionReused: false, roots, trustDomains, nowMs });
    if (verdict.kind === "trusted") return;
    this.#options.log.warn({ reason: verdict.message }, "the own certificate does not fit the new trust bundle");
    this.#beginAttempt();
  }
}

/** A request that ignores its signal must not block the manager. */
async function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}
