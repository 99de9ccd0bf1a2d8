import { formatPodName, isSamePod, type PodName } from "./pod-name.ts";

/** A certificate that is known to be a pod's. */
export interface IssuedCertificate {
  /** Hexadecimal, upper case, without leading zeros. */
  readonly serialNumber: string;
  readonly notAfterMs: number;
  readonly pod: PodName;
}

/** How many certificates are kept. */
export interface IssuedLimits {
  /** A pod that restarts every five minutes has 300 valid certificates a day. @default 1000 */
  readonly ofPod: number;
  /** About 50 MB. @default 100,000 */
  readonly ofAll: number;
}

const DEFAULT_LIMITS: IssuedLimits = { ofPod: 1000, ofAll: 100_000 };

/**
 * Which certificates are whose, so that a pod can be revoked: those that were issued, and those that were presented, since
 * this process started. One certificate can be known as that of several pods: a stream may name any pod of its account.
 * Bounded: the pods that were heard of least recently are forgotten first, and of a pod the oldest certificates. In memory
 * alone: after a restart the sidecars connect again, and present what they have.
 */
export class IssuedCertificates {
  /** By pod, least recently heard of first; then oldest first. Arrays: a Map for each pod would need twice the memory. */
  readonly #byPod = new Map<string, IssuedCertificate[]>();
  readonly #bySerialNumber = new Map<string, IssuedCertificate | readonly IssuedCertificate[]>();
  readonly #listeners = new Set<(certificate: IssuedCertificate) => void>();
  readonly #limits: IssuedLimits;
  #size = 0;

  constructor(limits: IssuedLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** Calls the listener with each certificate that was not known of its pod. Returns the function that unsubscribes. */
  subscribe(listener: (certificate: IssuedCertificate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  record(certificate: IssuedCertificate, nowMs: number): void {
    const { serialNumber, pod } = certificate;
    const ofPod = this.#hearOf(formatPodName(pod));
    if (ofPod.some((known) => known.serialNumber === serialNumber)) return;
    for (const expired of ofPod.filter(({ notAfterMs }) => notAfterMs <= nowMs)) this.#forget(ofPod, expired);
    ofPod.push(certificate);
    const others = this.find(serialNumber);
    this.#bySerialNumber.set(serialNumber, others.length === 0 ? certificate : [...others, certificate]);
    this.#size += 1;
    this.#forgetOldest(ofPod);
    for (const listener of [...this.#listeners]) listener(certificate);
  }

  /** As that of each pod that it is known of. */
  find(serialNumber: string): readonly IssuedCertificate[] {
    const found = this.#bySerialNumber.get(serialNumber) ?? [];
    return "length" in found ? found : [found];
  }

  /** The certificates of a pod that have not expired. Without a uid: of all pods of this name. */
  of(pod: PodName, nowMs: number): readonly IssuedCertificate[] {
    const known = this.#byPod.get(formatPodName(pod)) ?? [];
    return known.filter((certificate) => certificate.notAfterMs > nowMs && isSamePod(certificate.pod, pod));
  }

  /** The certificates of a pod, which becomes the one that was heard of last. */
  #hearOf(key: string): IssuedCertificate[] {
    const ofPod = this.#byPod.get(key) ?? [];
    this.#byPod.delete(key);
    this.#byPod.set(key, ofPod);
    return ofPod;
  }

  #forgetOldest(ofPod: IssuedCertificate[]): void {
    const [oldest] = ofPod;
    if (ofPod.length > this.#limits.ofPod && oldest !== undefined) this.#forget(ofPod, oldest);
    for (const [key, certificates] of this.#byPod) {
      if (this.#size <= this.#limits.ofAll) return;
      for (const certificate of [...certificates]) this.#forget(certificates, certificate);
      this.#byPod.delete(key);
    }
  }

  #forget(ofPod: IssuedCertificate[], certificate: IssuedCertificate): void {
    ofPod.splice(ofPod.indexOf(certificate), 1);
    this.#size -= 1;
    const { serialNumber } = certificate;
    const others = this.find(serialNumber).filter((other) => other !== certificate);
    if (others.length === 0) this.#bySerialNumber.delete(serialNumber);
    else this.#bySerialNumber.set(serialNumber, others);
  }
}
