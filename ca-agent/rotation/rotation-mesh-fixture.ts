/**
 * For tests: a mesh in which the root is rotated, under a fake clock. Control planes follow a stored state, sidecars trust
 * what theirs has sent and renew their certificates there. At every moment each sidecar must trust each other.
 */
import { randomBytes } from "node:crypto";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createSelfSignedRoot } from "../authority/self-signed-root.ts";
import { PhaseClock } from "./phase-clock.ts";
import { combineReplicas, type Replica, type ReplicaReport } from "./replica-report.ts";
import { type Leaf, type LeafIssuer, Sidecar } from "./rotating-sidecar-fixture.ts";
import { RotationDriver } from "./rotation-driver.ts";
import { createRotationLimits, type RotationLimits } from "./rotation-limits.ts";
import { fingerprintOf, type RotationRequest, type RotationState, type SidecarCounts } from "./rotation-state.ts";
import { MemoryStore } from "./storage/memory-store-fixture.ts";

export const LEAF_MS = 60_000;
const CHECK_MS = 1000;
/** Between two looks at whether all trust all. */
const STEP_MS = 500;
export const LIMITS: RotationLimits = createRotationLimits(LEAF_MS, {
  ...{ publishMs: 10_000, earlyPublishMs: 60_000, publishLimitMs: 120_000, clockErrorMs: 2000, settleMs: 5000 },
  ...{ retireLimitMs: 240_000, retryMs: 60_000 },
});

/** "signing" is stored twice: when it begins, and when all control planes have it in force. */
export const WHOLE = ["steady", "published", "signing", "signing", "steady"];

export class ControlPlane implements LeafIssuer {
  readonly log = new RecordingLogger();
  inForce: RotationState;
  /** Whether it follows the store, and others see its reports. */
  network: "up" | "away" = "up";
  readonly startedMs: number;
  readonly #mesh: RotationMesh;
  readonly #driver: RotationDriver;
  /** By the monotonic clock. */
  readonly #leavesUntilMs = new Map<string, number>();
  readonly #phases: PhaseClock;
  #stop = new AbortController();

  constructor(mesh: RotationMesh) {
    this.#mesh = mesh;
    this.inForce = mesh.store.state;
    this.#phases = new PhaseClock(mesh.clock);
    this.startedMs = mesh.clock.monotonicMs();
    this.#driver = new RotationDriver({
      ...{ store: mesh.store, limits: LIMITS, checkMs: CHECK_MS, clock: mesh.clock, log: this.log, randomBytes },
      ...{ trustDomain: parseTrustDomain("cluster.local"), phases: this.#phases },
      gather: (state) => ({
        request: mesh.request,
        ...combineReplicas(mesh.seenReplicas(), state),
      }),
      check: async (state) => (state.kind === "published" ? mesh.fault : undefined),
      metrics: { stepped: () => undefined, failed: () => (mesh.failures += 1) },
    });
  }

  /** From now on it takes the steps. */
  async lead(): Promise<void> {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    void this.#driver.drive({ signal, isCurrent: () => !signal.aborted });
    await settlePromises();
  }

  /** Killed, or its lease is lost. */
  resign(): void {
    this.#stop.abort(new Error("no longer the leader"));
  }

  /** An operator's request has arrived. */
  wake(): void {
    this.#driver.wake();
  }

  /** A certificate of the root that signs, as this control plane knows it. */
  sign(): Leaf {
    const { inForce } = this;
    const root = fingerprintOf(inForce.current.certificatePem);
    const { clock } = this.#mesh;
    const untilMs = clock.now() + LEAF_MS;
    this.#leavesUntilMs.set(root, clock.monotonicMs() + LEAF_MS);
    const crossSignedBy = inForce.kind === "signing" ? fingerprintOf(inForce.previous.certificatePem) : undefined;
    return { root, crossSignedBy, untilMs };
  }

  #otherLeavesForMs(): number {
    const present = fingerprintOf(this.inForce.current.certificatePem);
    const others = [...this.#leavesUntilMs].filter(([root]) => root !== present).map(([, untilMs]) => untilMs);
    return Math.max(0, ...others.map((untilMs) => untilMs + LIMITS.clockErrorMs - this.#mesh.clock.monotonicMs()));
  }

  /** Reads what is stored now. */
  follow(): void {
    this.inForce = this.#mesh.store.state;
    this.#phases.phaseMs(this.inForce);
  }

  /** Each sidecar is a tenant of its own. */
  #countRejections(own: readonly Sidecar[]): SidecarCounts["rejecting"] {
    const { length } = own.filter(({ mood }) => mood === "rejects");
    const counts = { sidecars: length, identities: length, namespaces: length };
    const { inForce } = this;
    return new Map(
      length === 0 || inForce.kind !== "published" ? [] : [[fingerprintOf(inForce.next.certificatePem), counts]],
    );
  }

  report(): ReplicaReport {
    const own = this.#mesh.sidecars.filter(({ controlPlane }) => controlPlane === this);
    const count = (roots: readonly string[]): ReadonlyMap<string, number> =>
      new Map([...Map.groupBy(roots, (root) => root)].map(([root, { length }]) => [root, length]));
    return {
      revision: this.inForce.revision,
      countingForMs: this.#mesh.clock.monotonicMs() - this.startedMs,
      otherLeavesForMs: this.#otherLeavesForMs(),
      sidecars: {
        connected: own.length,
        trusting: count(own.flatMap(({ trusts }) => [...trusts])),
        holding: count(own.map(({ leaf }) => leaf.root)),
        tenants: { identities: own.length, namespaces: own.length },
        rejecting: this.#countRejections(own),
      },
    };
  }
}

export class RotationMesh {
  readonly clock = new FakeClock();
  readonly store: MemoryStore;
  readonly controlPlanes: ControlPlane[] = [];
  readonly sidecars: Sidecar[] = [];
  /** Why sidecars did not trust each other, at any moment. */
  readonly faults = new Set<string>();
  request: RotationRequest | undefined;
  fault: string | undefined;
  failures = 0;
  /** Control planes that fell silent, and are waited for. */
  lost = 0;

  constructor(controlPlanes = 1) {
    const nowMs = this.clock.now();
    const trustDomain = parseTrustDomain("cluster.local");
    const current = createSelfSignedRoot({ trustDomain, nowMs, randomBytes });
    this.store = new MemoryStore({
      ...{ kind: "steady", current, others: [], revision: 0, requestId: undefined, dropped: [], last: undefined },
    });
    for (let count = 0; count < controlPlanes; count += 1) this.addControlPlane();
  }

  addControlPlane(): ControlPlane {
    const added = new ControlPlane(this);
    this.controlPlanes.push(added);
    for (let count = 0; count < 2; count += 1) this.sidecars.push(new Sidecar(added, this.clock, LEAF_MS / 2));
    return added;
  }

  /** It is gone, and its sidecars connect to another one. */
  kill(controlPlane: ControlPlane): void {
    controlPlane.resign();
    this.controlPlanes.splice(this.controlPlanes.indexOf(controlPlane), 1);
    const [other] = this.controlPlanes;
    if (other === undefined) throw new TypeError("no control plane is left");
    for (const sidecar of this.sidecars) if (sidecar.controlPlane === controlPlane) sidecar.controlPlane = other;
  }

  seenReplicas(): readonly Replica[] {
    const seen = this.controlPlanes.filter(({ network }) => network === "up");
    const lost = this.controlPlanes.length - seen.length + this.lost;
    return [
      ...seen.map((one): Replica => ({ kind: "live", report: one.report() })),
      ...Array.from({ length: lost }, (): Replica => ({ kind: "lost" })),
    ];
  }

  ask(requestId: string, kind: RotationRequest["kind"] = "rotate"): void {
    this.request = { kind, requestId };
    for (const one of this.controlPlanes) one.wake();
  }

  /** The phases so far. */
  get phases(): readonly string[] {
    return this.store.history.map(({ kind }) => kind);
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await this.clock.advance(STEP_MS);
      for (const one of this.controlPlanes) if (one.network === "up") one.follow();
      for (const sidecar of this.sidecars) sidecar.live();
      this.#checkTrust();
    }
  }

  /** Lets time pass until a phase is stored. */
  async until(phase: RotationState["kind"], limitMs = 600_000): Promise<void> {
    for (let passed = 0; this.store.state.kind !== phase; passed += STEP_MS) {
      if (passed > limitMs) throw new Error(`the phase ${phase} does not come: ${this.phases.join(", ")}`);
      await this.pass(STEP_MS);
    }
  }

  #checkTrust(): void {
    for (const one of this.sidecars) {
      for (const other of this.sidecars) {
        const fault = one.findFault(other);
        if (fault !== undefined) this.faults.add(`${fault} in phase ${this.store.state.kind}`);
      }
    }
  }
}
