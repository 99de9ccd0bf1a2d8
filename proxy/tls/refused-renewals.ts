import type { Random } from "../../mesh/runtime.ts";
import { type Backoff, createBackoff } from "../../net/backoff.ts";
import type { SvidFit } from "./svid-state.ts";

/** Who does not accept the certificate that is in use, and why. */
export type CertificateRefusal = Exclude<SvidFit, "current" | "superseded"> | "control_plane";

/** For the log. */
export const REFUSAL_REASONS: Readonly<Record<CertificateRefusal, string>> = {
  refused: "peers refuse the own certificate: its root is no longer in the trust bundle",
  revoked: "peers refuse the own certificate: it is revoked; requesting another one",
  identity_revoked:
    "peers refuse the own certificate: its identity or its pod is revoked, until `entente ca unrevoke` lifts that",
  control_plane: "the control plane refuses the own certificate; requesting another one",
};

/** Peers refuse it already, so all workloads of a withdrawn root renew within this time. */
const FIRST_MS = 2000;
/** A revoked certificate is mostly the only one, and its workload reaches nobody. */
const REVOKED_FIRST_MS = 200;
/** Should each new certificate be refused too. */
const MAX_MS = 300_000;

/** When certificates that are refused are renewed: soon, and ever more rarely if the next ones are refused too. */
export class RefusedRenewals {
  readonly #byPeers: Backoff;
  readonly #revoked: Backoff;
  readonly #byControlPlane: Backoff;

  constructor(random: Random) {
    this.#byPeers = createBackoff({ random, firstMs: FIRST_MS, maxMs: MAX_MS });
    this.#revoked = createBackoff({ random, firstMs: REVOKED_FIRST_MS, maxMs: MAX_MS });
    this.#byControlPlane = createBackoff({ random, firstMs: FIRST_MS, maxMs: MAX_MS });
  }

  /** How long until the renewal, in milliseconds. */
  nextMs(refusal: CertificateRefusal): number {
    switch (refusal) {
      case "refused":
      case "identity_revoked":
        return this.#byPeers.next();
      case "revoked":
        return this.#revoked.next();
      case "control_plane":
        return this.#byControlPlane.next();
    }
  }

  acceptedByPeers(): void {
    this.#byPeers.reset();
    this.#revoked.reset();
  }

  acceptedByControlPlane(): void {
    this.#byControlPlane.reset();
  }
}
