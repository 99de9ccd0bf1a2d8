import type { SettingsSource } from "../../discovery/discovery-service.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { domainsBySource } from "./federated-trust.ts";

/** A source of foreign roots that is followed: the address of an endpoint, or the path of a file. */
export interface FollowedSource {
  readonly source: string;
  trustDomains: readonly TrustDomain[];
  /** The last good ones; `undefined`: there were none yet. */
  roots: readonly string[] | undefined;
  /** Monotonic; of no meaning without roots. */
  rootsAtMs: number;
}

/** For operators. */
export interface BundleStatus {
  readonly trustDomains: readonly TrustDomain[];
  /** Since the last success, in milliseconds; `undefined`: there was none. */
  readonly ageMs: number | undefined;
}

export interface FollowedSourcesDeps {
  readonly settings: SettingsSource;
  readonly clock: Clock;
}

/** The sources of one kind that the mesh's settings name, with the roots of each. A subclass reads them. */
export abstract class FollowedSources<State extends FollowedSource> {
  readonly #deps: FollowedSourcesDeps;
  readonly #followed = new Map<string, State>();
  readonly #listeners = new Set<() => void>();
  #unsubscribe: () => void = () => undefined;

  constructor(deps: FollowedSourcesDeps) {
    this.#deps = deps;
  }

  /** `undefined`: of an entry of another kind. */
  protected abstract sourceOf(entry: ForeignAuthorities): string | undefined;
  protected abstract create(source: FollowedSource): State;
  protected abstract onAdded(state: State): void;
  /** Called with each that the settings do not name any more, and at the end. */
  protected abstract onRemoved(state: State): void;

  protected start(): void {
    this.#unsubscribe = this.#deps.settings.subscribe(() => this.#follow());
    this.#follow();
  }

  stop(): void {
    this.#unsubscribe();
    for (const state of this.all()) this.#remove(state);
  }

  protected all(): readonly State[] {
    return [...this.#followed.values()];
  }

  /** Whether what was read for a state still belongs to it. */
  protected isFollowed(state: State): boolean {
    return this.#followed.get(state.source) === state;
  }

  /** `undefined`: there were none yet. */
  rootsOf(source: string): readonly string[] | undefined {
    return this.#followed.get(source)?.roots;
  }

  /** @param onKept called before the listeners, with whether the roots are other ones */
  protected keep(state: State, roots: readonly string[], onKept: (isChanged: boolean) => void): void {
    const isChanged = String(state.roots) !== String(roots);
    state.roots = roots;
    state.rootsAtMs = this.#deps.clock.monotonicMs();
    onKept(isChanged);
    if (isChanged) for (const listener of [...this.#listeners]) listener();
  }

  /** Calls the listener after each change of roots. Returns a function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): readonly BundleStatus[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return this.all().map(({ trustDomains, roots, rootsAtMs }) => ({
      trustDomains,
      ageMs: roots === undefined ? undefined : nowMs - rootsAtMs,
    }));
  }

  #follow(): void {
    const { caCertificates } = this.#deps.settings.current();
    const wanted = domainsBySource(caCertificates, (entry) => this.sourceOf(entry));
    for (const state of this.all()) if (!wanted.has(state.source)) this.#remove(state);
    for (const [source, trustDomains] of wanted) {
      const known = this.#followed.get(source);
      if (known === undefined) this.#add(source, trustDomains);
      else known.trustDomains = trustDomains;
    }
  }

  #add(source: string, trustDomains: readonly TrustDomain[]): void {
    const state = this.create({ source, trustDomains, roots: undefined, rootsAtMs: 0 });
    this.#followed.set(source, state);
    this.onAdded(state);
  }

  #remove(state: State): void {
    this.#followed.delete(state.source);
    this.onRemoved(state);
  }
}

/** For the log. */
export function describeLoss({ roots }: Pick<FollowedSource, "roots">): string {
  return roots === undefined ? "proxies keep those of its roots that they have" : "the last good one stays in force";
}
