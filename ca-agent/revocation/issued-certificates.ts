import { formatPodName, isSamePod, type PodName } from "./pod-name.ts";

/** A certificate that is known to be a pod's. */
export interface IssuedCertificate {
  /** Hexadecimal, upper case, without leading zeros. */
  readonly serialNumber: string;
  readonly notAfterMs: number;
  readonly pod: PodName;
}

/** Of one pod: a pod that restarts every five minutes has 300 valid certificates a day. */
const MAX_OF_POD = 1000;
const MAX_CERTIFICATES = 100_000;

/**
 * Which certificates are whose, so that a pod can be revoked: those that were issued, and those that were presented, since
 * this process started. One certificate can be known as that of several pods: a stream may name any pod of its account.
 * Bounded: the pods that were heard of least recently are forgotten first, and of a pod the oldest certificates. In memory
 * alone: after a restart the sidecars connect again, and present what they have.
 */
export class IssuedCertificates {
  /** By pod, least recently heard of first; then by serial number, oldest first. */
  readonly #byPod = new Map<string, Map<string, IssuedCertificate>>();
  readonly #bySerialNumber = new Map<string, readonly IssuedCertificate[]>();
  readonly #listeners = new Set<(certificate: IssuedCertificate) => void>();
  #size = 0;

  /** Calls the listener with each certificate that was not known of its pod. Returns the function that unsubscribes. */
  subscribe(listener: (certificate: IssuedCertificate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  record(certificate: IssuedCertificate, nowMs: number): void {
    const { serialNumber, pod } = certificate;
    const key = formatPodName(pod);
    const ofPod = this.#byPod.get(key) ?? new Map<string, IssuedCertificate>();
    // The last one is the one that was heard of last.
    this.#byPod.delete(key);
    this.#byPod.set(key, ofPod);
    if (ofPod.has(serialNumber)) return;
    this.#forgetExpired(ofPod, nowMs);
    ofPod.set(serialNumber, certificate);
    this.#bySerialNumber.set(serialNumber, [...this.find(serialNumber), certificate]);
    this.#size += 1;
    this.#forgetOldest(ofPod);
    for (const listener of [...this.#listeners]) listener(certificate);
  }

  /** As that of each pod that it is known of. */
  find(serialNumber: string): readonly IssuedCertificate[] {
    return this.#bySerialNumber.get(serialNumber) ?? [];
  }

  /** The certificates of a pod that have not expired. Without a uid: of all pods of this name. */
  of(pod: PodName, nowMs: number): readonly IssuedCertificate[] {
    const known = this.#byPod.get(formatPodName(pod))?.values() ?? [];
    return [...known].filter((certificate) => certificate.notAfterMs > nowMs && isSamePod(certificate.pod, pod));
  }

  #forgetExpired(ofPod: Map<string, IssuedCertificate>, nowMs: number): void {
    for (const certificate of ofPod.values()) {
      if (certificate.notAfterMs <= nowMs) this.#forget(ofPod, certificate);
    }
  }

  #forgetOldest(ofPod: Map<string, IssuedCertificate>): void {
    const [oldest] = ofPod.values();
    if (ofPod.size > MAX_OF_POD && oldest !== undefined) this.#forget(ofPod, oldest);
    for (const [key, certificates] of this.#byPod) {
      if (this.#size <= MAX_CERTIFICATES) return;
      for (const certificate of certificates.values()) this.#forget(certificates, certificate);
      this.#byPod.delete(key);
    }
  }

  #forget(ofPod: Map<string, IssuedCertificate>, certificate: IssuedCertificate): void {
    const { serialNumber } = certificate;
    ofPod.delete(serialNumber);
    this.#size -= 1;
    const others = this.find(serialNumber).filter((other) => other !== certificate);
    if (others.length === 0) this.#bySerialNumber.delete(serialNumber);
    else this.#bySerialNumber.set(serialNumber, others);
  }
}
