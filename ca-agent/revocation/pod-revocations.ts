import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import type { ControlState, Revocation } from "../control/control-state.ts";
import type { ControlFollower, ControlStore } from "../control/control-store.ts";
import type { IssuedCertificate, IssuedCertificates } from "./issued-certificates.ts";
import { formatPodName, isSamePod, type PodName } from "./pod-name.ts";
import { addRevocations, isFoundOfPod, isInForce } from "./revocation-entries.ts";

export interface PodRevocationsDeps {
  readonly control: ControlFollower;
  readonly store: ControlStore;
  readonly issued: IssuedCertificates;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Several are stored by one write, and another replica may be faster. */
const COLLECT_MS = 500;
const RETRY_MS = 5000;
/** Of all pods together. A hostile pod can have got a thousand: half of the 1 MB stays for what operators ask. */
const MAX_STORED = 3000;

interface Found {
  readonly pod: PodName;
  readonly revocation: Revocation;
}

/**
 * Revokes the certificates of revoked pods by their serial numbers, since that is what peers can see: all that are known
 * now, and each that becomes known later. They are in force here at once; stored in the desired state, they are in force
 * everywhere, also after a restart.
 */
export class PodRevocations {
  readonly #deps: PodRevocationsDeps;
  readonly #listeners = new Set<() => void>();
  /** Revoked pods, by namespace and name. */
  #pods: ReadonlyMap<string, readonly PodName[]> = new Map();
  /** By serial number: what the desired state does not have yet. */
  readonly #found = new Map<string, Found>();
  #timer: Timer | undefined;
  #reported = "";

  constructor(deps: PodRevocationsDeps) {
    this.#deps = deps;
    const unsubscribe = [
      deps.control.subscribe(() => this.#check()),
      deps.issued.subscribe((certificate) => this.#onIssued(certificate)),
    ];
    const stop = (): void => {
      this.#timer?.cancel();
      for (const stopOne of unsubscribe) stopOne();
    };
    deps.signal.addEventListener("abort", stop, { once: true });
    this.#check();
  }

  /** What is in force beside the desired state, until it is a part of it. */
  entries(): readonly Revocation[] {
    return [...this.#found.values()].map(({ revocation }) => revocation);
  }

  /** Calls the listener after each change of the entries. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether a pod is revoked. An unknown uid may be any. */
  isRevoked(pod: PodName): boolean {
    return this.#pods.get(formatPodName(pod))?.some((revoked) => isSamePod(revoked, pod)) ?? false;
  }

  /** After a change of the desired state. */
  #check(): void {
    const { control, issued, clock } = this.#deps;
    const nowMs = clock.now();
    const state = control.current();
    const before = [...this.#found.keys()].join();
    this.#pods = revokedPods(state, nowMs);
    const stored = new Set(
      state.revocations.map(({ what }) => (what.kind === "serial" ? what.serialNumber : undefined)),
    );
    for (const [serialNumber, { pod }] of this.#found) {
      if (stored.has(serialNumber) || !this.isRevoked(pod)) this.#found.delete(serialNumber);
    }
    for (const pods of this.#pods.values()) {
      for (const certificate of pods.flatMap((pod) => issued.of(pod, nowMs))) {
        if (!stored.has(certificate.serialNumber)) this.#add(certificate);
      }
    }
    if ([...this.#found.keys()].join() !== before) this.#announce();
    if (this.#found.size > 0) this.#storeLater(COLLECT_MS);
  }

  #onIssued(certificate: IssuedCertificate): void {
    if (this.#pods.size === 0 || !this.isRevoked(certificate.pod)) return;
    this.#add(certificate);
    this.#announce();
    this.#storeLater(COLLECT_MS);
  }

  #add({ serialNumber, notAfterMs, pod }: IssuedCertificate): void {
    const what = { kind: "serial", serialNumber, ofPod: formatPodName(pod) } as const;
    const [revokedAt, expiresAt] = [this.#deps.clock.now(), notAfterMs].map((ms) => new Date(ms).toISOString());
    if (revokedAt === undefined || expiresAt === undefined || this.#found.has(serialNumber)) return;
    this.#found.set(serialNumber, { pod, revocation: { what, revokedAt, expiresAt } });
  }

  #announce(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #storeLater(afterMs: number): void {
    const { clock, random, signal } = this.#deps;
    if (this.#timer !== undefined || signal.aborted) return;
    this.#timer = clock.setTimeout(
      () => {
        this.#timer = undefined;
        void this.#store();
      },
      afterMs * (0.5 + random() / 2),
    );
  }

  async #store(): Promise<void> {
    const { store, clock, log, signal } = this.#deps;
    const found = [...this.#found.values()];
    let left = 0;
    try {
      await store.update((state) => {
        const pods = revokedPods(state, clock.now());
        // An operator may have lifted the pod's revocation meanwhile.
        const added = found.filter(({ pod }) =>
          pods.get(formatPodName(pod))?.some((revoked) => isSamePod(revoked, pod)),
        );
        const nowMs = clock.now();
        const stored = state.revocations.filter((entry) => isFoundOfPod(entry) && isInForce(entry, nowMs));
        const room = Math.max(0, MAX_STORED - stored.length);
        left = Math.max(0, added.length - room);
        return addRevocations(
          state,
          added.slice(0, room).map(({ revocation }) => revocation),
          clock.now(),
        );
      });
      if (left > 0) this.#reportLeft(left);
      else this.#reported = "";
    } catch (caught) {
      if (signal.aborted) return;
      const { code, message } = MeshError.from(caught);
      if (message !== this.#reported) {
        const fields = { component: "ca-agent", code, reason: message, certificates: found.length };
        log.error(fields, "the certificates of revoked pods cannot be stored; they are revoked by this replica alone");
      }
      this.#reported = message;
      this.#storeLater(RETRY_MS);
    }
  }

  /** Once, until everything is stored. */
  #reportLeft(left: number): void {
    const message = `the certificates of revoked pods are more than ${MAX_STORED}: the others are revoked by this replica alone; revoke the pods' identities`;
    if (message !== this.#reported) {
      this.#deps.log.error({ component: "ca-agent", code: "control_limit", certificates: left }, message);
    }
    this.#reported = message;
  }
}

function revokedPods({ revocations }: ControlState, nowMs: number): ReadonlyMap<string, readonly PodName[]> {
  const pods = revocations.flatMap((revocation) => {
    const { what } = revocation;
    return what.kind === "pod" && isInForce(revocation, nowMs) ? [what] : [];
  });
  return Map.groupBy(pods, formatPodName);
}
