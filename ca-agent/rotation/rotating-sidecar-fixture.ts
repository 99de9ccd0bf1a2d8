/** For tests: a sidecar while the root is rotated. */
import type { Clock } from "../../mesh/runtime.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "./rotation-state.ts";

export interface Leaf {
  readonly root: string;
  /** What is sent with it lets a peer verify it by this root too. */
  readonly crossSignedBy: string | undefined;
  readonly untilMs: number;
}

/** A control plane, for its sidecars. */
export interface LeafIssuer {
  readonly inForce: RotationState;
  sign(): Leaf;
}

/** Trusts what its control plane has sent, and renews its certificate there. */
export class Sidecar {
  trusts: ReadonlySet<string>;
  leaf: Leaf;
  /** `deaf`: it does not take new roots; `rejects`: and says so. */
  mood: "follows" | "deaf" | "rejects" = "follows";
  controlPlane: LeafIssuer;
  readonly #clock: Pick<Clock, "now">;
  readonly #renewalMs: number;

  /** @param renewalMs a leaf that has less time left is renewed */
  constructor(controlPlane: LeafIssuer, clock: Pick<Clock, "now">, renewalMs: number) {
    this.controlPlane = controlPlane;
    this.#clock = clock;
    this.#renewalMs = renewalMs;
    this.trusts = rootsOf(controlPlane.inForce);
    this.leaf = controlPlane.sign();
  }

  live(): void {
    if (this.mood === "follows") this.trusts = rootsOf(this.controlPlane.inForce);
    if (this.leaf.untilMs - this.#clock.now() < this.#renewalMs) this.leaf = this.controlPlane.sign();
  }

  /** Its certificate was of a time that is no longer the present. */
  renew(): void {
    this.leaf = this.controlPlane.sign();
  }

  /** Why it does not trust another one. */
  findFault({ leaf }: Sidecar): string | undefined {
    if (leaf.untilMs <= this.#clock.now()) return "a certificate has expired";
    const isTrusted = this.trusts.has(leaf.root) || this.trusts.has(leaf.crossSignedBy ?? "");
    return isTrusted ? undefined : "a root is not trusted";
  }
}

const ROOTS = new WeakMap<RotationState, ReadonlySet<string>>();

function rootsOf(state: RotationState): ReadonlySet<string> {
  const roots = ROOTS.get(state) ?? new Set(trustedRoots(state).map(fingerprintOf));
  ROOTS.set(state, roots);
  return roots;
}
