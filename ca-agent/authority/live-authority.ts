import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import type { RandomBytes } from "../x509/certificate.ts";
import { parseCertificateRequest } from "../x509/certificate-request.ts";
import { type Authority, type Signer, signServing, signWorkloadKey } from "./authority.ts";
import { type Adoption, decideAdoption, type InForce, rootKey } from "./decide-adoption.ts";
import type { SigningMaterial } from "./signing-material.ts";

/** An authority whose material can be replaced while it runs. */
export interface LiveAuthority extends Authority {
  /** Replaces what it signs with, or says why not. Connections and certificates stay valid either way. */
  adopt(material: SigningMaterial): Adoption;
  /** Forgets a signer that waits for its root to be known. */
  stop(): void;
}

export interface LiveAuthorityDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly randomBytes: RandomBytes;
  /**
   * How long a new root is published before it signs. Sidecars receive it within a second. The file with which a pod
   * verifies the control plane takes longer: about a minute for the ConfigMaps of 5,000 namespaces, and up to 90 s more
   * until the kubelet has it. @default 180,000
   */
  readonly publishMs?: number | undefined;
}

const DEFAULT_PUBLISH_MS = 180_000;

export function createLiveAuthority(material: SigningMaterial, deps: LiveAuthorityDeps): LiveAuthority {
  return new ReplaceableAuthority(material, deps);
}

class ReplaceableAuthority implements LiveAuthority {
  readonly #deps: LiveAuthorityDeps;
  readonly #listeners = new Set<() => void>();
  #inForce: InForce;
  #activation: Timer | undefined;

  constructor(signer: SigningMaterial, deps: LiveAuthorityDeps) {
    this.#deps = deps;
    const publishedAtMs = new Map(signer.roots.map((root) => [rootKey(root), Number.NEGATIVE_INFINITY]));
    this.#inForce = { signer, roots: signer.roots, publishedAtMs };
  }

  signWorkload: Authority["signWorkload"] = async ({ csrPem, identity, lifetimeMs }) =>
    await signWorkloadKey(this.#signer(), { publicKeyInfo: parseCertificateRequest(csrPem), identity, lifetimeMs });

  signServing: Authority["signServing"] = (request) => signServing(this.#signer(), request);

  roots: Authority["roots"] = () => this.#inForce.roots;

  signingRoot: Authority["signingRoot"] = () => this.#inForce.signer.root.toString();

  subscribe: Authority["subscribe"] = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  expiry: Authority["expiry"] = () => {
    const { rootNotAfterMs, notAfterMs } = this.#inForce.signer;
    return { rootNotAfterMs, chainNotAfterMs: notAfterMs };
  };

  adopt(next: SigningMaterial): Adoption {
    const { clock, publishMs = DEFAULT_PUBLISH_MS } = this.#deps;
    const nowMs = clock.monotonicMs();
    const adoption = decideAdoption(this.#inForce, next, { nowMs, publishMs });
    // What waited was replaced, or its author has taken it back.
    if (adoption.kind !== "refused") this.#activation?.cancel();
    if (adoption.kind !== "adopted") return adoption;
    const waitMs = adoption.signsAtMs - nowMs;
    const signer = waitMs > 0 ? this.#inForce.signer : next;
    this.#replace({ ...adoption.inForce, signer });
    if (waitMs > 0) this.#activation = clock.setTimeout(() => this.#activate(next), waitMs);
    return adoption;
  }

  stop(): void {
    this.#activation?.cancel();
  }

  #activate(signer: SigningMaterial): void {
    this.#replace({ ...this.#inForce, signer });
    this.#deps.log.info(
      { component: "ca-agent", root: signer.root.fingerprint256 },
      "the new signing certificate is in use: its root has been published long enough",
    );
  }

  #replace(inForce: InForce): void {
    this.#inForce = inForce;
    for (const listener of [...this.#listeners]) listener();
  }

  #signer(): Signer {
    const { clock, randomBytes } = this.#deps;
    return { material: this.#inForce.signer, roots: this.#inForce.roots, clock, randomBytes };
  }
}
