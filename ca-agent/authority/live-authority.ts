import type { X509Certificate } from "node:crypto";
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
  /** From the certificate that signs to its root, both included. */
  signingPath(): readonly X509Certificate[];
  /** The revision of the stored rotation that is completely in force; 0: of none. */
  revision(): number;
  /**
   * How long the last leaf is valid that another root than the present one has signed here, by the monotonic clock. Negative:
   * it has ended so long ago; -Infinity: there is none.
   */
  otherLeavesForMs(): number;
  /** What is stored is not in force, for this reason, until something is adopted. */
  refuse(reason: string): void;
  /** Why what is stored is not in force; undefined: it is. */
  refusal(): string | undefined;
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
  #signingKey: string;
  #activation: Timer | undefined;
  #refusal: string | undefined;
  /** By `rootKey`: the end of the last leaf, by the monotonic clock: a wall clock that is set changes nothing. */
  readonly #leavesUntilMs = new Map<string, number>();

  constructor(signer: SigningMaterial, deps: LiveAuthorityDeps) {
    this.#deps = deps;
    const publishedAtMs = new Map(signer.roots.map((root) => [rootKey(root), Number.NEGATIVE_INFINITY]));
    this.#inForce = { signer, roots: signer.roots, publishedAtMs, rotation: signer.rotation };
    this.#signingKey = rootKey(signer.root.toString());
  }

  revision: LiveAuthority["revision"] = () => this.#inForce.signer.rotation?.revision ?? 0;

  otherLeavesForMs: LiveAuthority["otherLeavesForMs"] = () => {
    const others = [...this.#leavesUntilMs].filter(([root]) => root !== this.#signingKey);
    return Math.max(...others.map(([, untilMs]) => untilMs)) - this.#deps.clock.monotonicMs();
  };

  signWorkload: Authority["signWorkload"] = async ({ csrPem, ...workload }) => {
    const signer = this.#signer();
    this.#noteLeaf(workload.lifetimeMs);
    return await signWorkloadKey(signer, { publicKeyInfo: parseCertificateRequest(csrPem), ...workload });
  };

  signServing: Authority["signServing"] = (request) => signServing(this.#signer(), request);

  roots: Authority["roots"] = () => this.#inForce.roots;

  signingRoot: Authority["signingRoot"] = () => this.#inForce.signer.root.toString();

  signingPath: LiveAuthority["signingPath"] = () => this.#inForce.signer.path;

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
    this.#refusal = adoption.kind === "refused" ? adoption.message : undefined;
    // The stored state may have gone on without a change of what is signed and trusted.
    if (adoption.kind === "unchanged") this.#inForce = { ...this.#inForce, signer: next, rotation: next.rotation };
    if (adoption.kind !== "adopted") return adoption;
    const waitMs = adoption.signsAtMs - nowMs;
    const signer = waitMs > 0 ? this.#inForce.signer : next;
    this.#replace({ ...adoption.inForce, signer });
    this.#reportEarlyRemoval(adoption.inForce.publishedAtMs);
    if (waitMs > 0) this.#activation = clock.setTimeout(() => this.#activate(next), waitMs);
    return adoption;
  }

  refuse(reason: string): void {
    this.#refusal = reason;
  }

  refusal: LiveAuthority["refusal"] = () => this.#refusal;

  stop(): void {
    this.#activation?.cancel();
  }

  /** Not refused: sidecars that learn of it get another certificate at once. Workloads that are cut off do not. */
  #reportEarlyRemoval(trusted: InForce["publishedAtMs"]): void {
    for (const [root, untilMs] of this.#leavesUntilMs) {
      if (trusted.has(root)) continue;
      this.#leavesUntilMs.delete(root);
      const leftMs = untilMs - this.#deps.clock.monotonicMs();
      if (leftMs <= 0) continue;
      this.#deps.log.warn(
        { component: "ca-agent", until: new Date(this.#deps.clock.now() + leftMs).toISOString() },
        "a root was removed while certificates of it are valid: workloads that do not renew at once lose their connections",
      );
    }
  }

  /** Before the signature: one by an RSA key is ready later, when another root may sign already. */
  #noteLeaf(lifetimeMs: number): void {
    const untilMs = this.#deps.clock.monotonicMs() + lifetimeMs;
    if (untilMs > (this.#leavesUntilMs.get(this.#signingKey) ?? 0)) this.#leavesUntilMs.set(this.#signingKey, untilMs);
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
    this.#signingKey = rootKey(inForce.signer.root.toString());
    for (const listener of [...this.#listeners]) listener();
  }

  #signer(): Signer {
    const { clock, randomBytes } = this.#deps;
    return { material: this.#inForce.signer, roots: this.#inForce.roots, clock, randomBytes };
  }
}
