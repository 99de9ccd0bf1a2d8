import { type PodTag, readPodTag } from "../../mesh/identity/pod-tag.ts";
import type { SpiffeId, TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Revocations, RevokedCertificate } from "../../mesh/policy/types.ts";
import type { Clock, Timer } from "../../mesh/runtime.ts";
import { startWallTimer } from "../../net/wall-timer.ts";
import type { Revocation } from "../control/control-state.ts";
import type { ControlFollower } from "../control/control-store.ts";
import { equivalentIdentities } from "../control/distributed-identities.ts";
import { formatPodName, type PodName, type TagPod } from "./pod-name.ts";
import { endOf, isInForce, keyOfTarget } from "./revocation-entries.ts";

/** A source of entries beside the desired state. */
export interface RevocationSource<Entry> {
  entries(): readonly Entry[];
  subscribe(listener: () => void): () => void;
}

export interface LiveRevocationsDeps {
  readonly control: ControlFollower;
  /** The operator's certificate revocation lists. */
  readonly lists: RevocationSource<RevokedCertificate>;
  readonly tagPod: TagPod;
  /** The mesh's own trust domain and its aliases: an identity is revoked in all of them. */
  readonly trustDomains: readonly TrustDomain[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Receives the entries in force before and after a change; not the first ones. */
  readonly onChange?: (before: readonly Revocation[], after: readonly Revocation[]) => void;
}

/** What is known of a caller that asks for a certificate. */
export interface RevocableCaller {
  readonly identity: SpiffeId;
  /** Of the certificate that it uses, as by `normalizeSerialNumber`. */
  readonly serialNumber?: string;
  /** The pods that it can be. */
  readonly pods: readonly PodName[];
}

/** What of a caller is revoked. */
export type RevokedCaller =
  | { readonly kind: "identity" }
  | { readonly kind: "certificate" }
  | { readonly kind: "pod"; readonly pod: string };

/** What is revoked at this moment: entries that expire go by themselves. */
export class LiveRevocations {
  readonly #deps: LiveRevocationsDeps;
  readonly #listeners = new Set<() => void>();
  #entries: readonly Revocation[] = [];
  #current: Revocations = { certificates: [], identities: [], pods: [] };
  #serialNumbers: ReadonlySet<string> = new Set();
  #identities: ReadonlySet<SpiffeId> = new Set();
  #pods: ReadonlyMap<PodTag, string> = new Map();
  /** `NAMESPACE/NAME` of which every pod is revoked. */
  #podNames: ReadonlySet<string> = new Set();
  #text = "";
  #timer: Timer | undefined;

  constructor(deps: LiveRevocationsDeps) {
    this.#deps = deps;
    const { control, lists, signal } = deps;
    const update = (): void => this.#update();
    const unsubscribe = [control, lists].map((source) => source.subscribe(update));
    const stop = (): void => {
      this.#timer?.cancel();
      for (const stopOne of unsubscribe) stopOne();
    };
    signal.addEventListener("abort", stop, { once: true });
    this.#replace();
  }

  /** For the trust bundle. The same object until it changes. */
  current(): Revocations {
    return this.#current;
  }

  /** Without those of the operator's lists. */
  entries(): readonly Revocation[] {
    return this.#entries;
  }

  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  findRevoked({ identity, serialNumber, pods }: RevocableCaller): RevokedCaller | undefined {
    if (this.#identities.has(identity)) return { kind: "identity" };
    if (serialNumber !== undefined && this.#serialNumbers.has(serialNumber)) return { kind: "certificate" };
    const tags = [readPodTag(serialNumber ?? "") ?? [], ...pods.map(this.#deps.tagPod)].flat();
    const byTag = tags.flatMap((tag) => this.#pods.get(tag) ?? []);
    const [pod] = [...byTag, ...pods.map(formatPodName).filter((name) => this.#podNames.has(name))];
    return pod === undefined ? undefined : { kind: "pod", pod };
  }

  #update(): void {
    const before = this.#entries;
    const isChanged = this.#replace();
    this.#deps.onChange?.(before, this.#entries);
    if (!isChanged) return;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Whether what is distributed has changed. */
  #replace(): boolean {
    const { control, lists, trustDomains, tagPod, clock } = this.#deps;
    const nowMs = clock.now();
    const inForce = control.current().revocations.filter((revocation) => isInForce(revocation, nowMs));
    this.#entries = [...new Map(inForce.map((revocation) => [keyOfTarget(revocation.what), revocation])).values()];
    this.#awaitNextEnd();
    const serialNumbers = this.#entries.flatMap(({ what }) => (what.kind === "serial" ? [what.serialNumber] : []));
    const identities = this.#entries.flatMap(({ what }) =>
      what.kind === "identity" ? equivalentIdentities(what.identity, trustDomains) : [],
    );
    const pods = this.#entries.flatMap(({ what }) => (what.kind === "pod" ? [what] : []));
    this.#serialNumbers = new Set(serialNumbers);
    this.#identities = new Set(identities);
    this.#pods = new Map(pods.map((pod) => [tagPod(pod), formatPodName(pod)]));
    this.#podNames = new Set(pods.filter(({ uid }) => uid === undefined).map(formatPodName));
    const certificates = [...serialNumbers.map((serialNumber) => ({ serialNumber })), ...lists.entries()];
    const next = { certificates, identities: [...this.#identities], pods: [...this.#pods.keys()] };
    const text = JSON.stringify(next);
    if (text === this.#text) return false;
    this.#text = text;
    this.#current = next;
    return true;
  }

  #awaitNextEnd(): void {
    this.#timer?.cancel();
    const next = this.#entries.reduce(
      (end, { expiresAt }) => Math.min(end, endOf(expiresAt)),
      Number.POSITIVE_INFINITY,
    );
    if (next !== Number.POSITIVE_INFINITY) this.#timer = startWallTimer(this.#deps.clock, next, () => this.#update());
  }
}
