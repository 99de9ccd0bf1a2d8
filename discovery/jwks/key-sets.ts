import { type KeySource, keySourceOf } from "../../mesh/policy/request-authentication/key-source.ts";
import type { RequestAuthentication } from "../../mesh/resources/kinds/request-authentication.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import type { ConfigSource } from "../config-source.ts";
import type { KeySetSource } from "../discovery-service.ts";
import { decideNextFetchMs } from "../documents/fetch-schedule.ts";
import type { FetchedKeySet } from "./fetch-key-set.ts";
import { FetchTurns } from "./fetch-turns.ts";

export interface KeySetsDeps {
  readonly config: Pick<ConfigSource, "current" | "subscribe">;
  readonly fetch: (source: KeySource, signal: AbortSignal) => Promise<FetchedKeySet>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Counts each attempt. */
  readonly onFetched?: (result: "success" | "failure") => void;
}

/** For operators. */
export interface KeySetsStatus {
  readonly sources: number;
  /** Without keys until now: their tokens are refused. */
  readonly missing: number;
  /** Whose last attempt failed; the last keys are in use. */
  readonly stale: number;
  /** Since the oldest keys in use were fetched, in milliseconds; 0: there are none. */
  readonly oldestMs: number;
}

/** As Istio's `PILOT_JWT_PUB_KEY_REFRESH_INTERVAL`. */
const REFRESH_MS = 20 * 60_000;
/** Of one attempt, if no rule has a timeout. */
const DEFAULT_TIMEOUT_MS = 5000;
/** Of one attempt, whatever its rules say: a place is free again after it. */
const MAX_TIMEOUT_MS = 30_000;
/** Attempts at a time: a policy author may name many servers that never respond. */
const ATTEMPT_LIMITS = { maxActive: 16, maxActiveOfNamespace: 2 };

interface Followed {
  readonly source: KeySource;
  /** In milliseconds: the longest of its rules. */
  timeoutMs: number;
  /** Of its rules. */
  namespaces: ReadonlySet<string>;
  text: string | undefined;
  fetchedAtMs: number;
  failures: number;
  timer: Timer | undefined;
  /** Ends the attempt in progress. */
  attempt: AbortController | undefined;
}

/**
 * Fetches the keys of all RequestAuthentications, and again every 20 minutes. The last good keys stay in use while their
 * server is away, as long as a rule needs them. There are no default keys (CVE-2026-31837).
 */
export class KeySets implements KeySetSource {
  readonly #deps: KeySetsDeps;
  readonly #followed = new Map<string, Followed>();
  readonly #listeners = new Set<(keys: readonly string[]) => void>();
  readonly #turns = new FetchTurns<Followed>(ATTEMPT_LIMITS);
  readonly #unsubscribe: () => void;
  #current: ReadonlyMap<string, string> = new Map();

  constructor(deps: KeySetsDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.config.subscribe((set, { resources }) => {
      if (resources.some(({ kind }) => kind === "RequestAuthentication")) this.#follow(set.requestAuthentications);
    });
    this.#follow(deps.config.current().requestAuthentications);
  }

  current(): ReadonlyMap<string, string> {
    return this.#current;
  }

  subscribe(listener: (keys: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): KeySetsStatus {
    const all = [...this.#followed.values()];
    const known = all.filter(({ text }) => text !== undefined);
    const nowMs = this.#deps.clock.monotonicMs();
    return {
      sources: all.length,
      missing: all.length - known.length,
      stale: known.filter(({ failures }) => failures > 0).length,
      oldestMs: Math.max(0, ...known.map(({ fetchedAtMs }) => nowMs - fetchedAtMs)),
    };
  }

  stop(): void {
    this.#unsubscribe();
    for (const key of this.#followed.keys()) this.#forget(key);
  }

  #follow(policies: ReadonlyMap<string, RequestAuthentication>): void {
    const wanted = sourcesOf(policies.values());
    const gone = [...this.#followed.keys()].filter((key) => !wanted.has(key));
    for (const key of gone) this.#forget(key);
    for (const source of wanted.values()) {
      const known = this.#followed.get(source.source.key);
      if (known === undefined) {
        this.#add(source);
        continue;
      }
      Object.assign(known, source);
      if (this.#turns.isWaiting(known)) this.#enqueue(known);
    }
    this.#publish(gone.filter((key) => this.#current.has(key)));
  }

  #add(wanted: WantedSource): void {
    const state = { text: undefined, fetchedAtMs: 0, failures: 0, timer: undefined, attempt: undefined };
    const followed: Followed = { ...wanted, ...state };
    this.#followed.set(wanted.source.key, followed);
    this.#enqueue(followed);
  }

  #forget(key: string): void {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    this.#followed.delete(key);
    this.#turns.delete(followed);
    followed.timer?.cancel();
    followed.attempt?.abort();
  }

  #enqueue(followed: Followed): void {
    this.#turns.add(followed, followed.namespaces);
    this.#next();
  }

  #next(): void {
    const turn = this.#turns.begin();
    if (turn === undefined) return;
    void this.#attempt(turn.work).finally(() => {
      this.#turns.end(turn);
      this.#next();
    });
  }

  async #attempt(followed: Followed): Promise<void> {
    const attempt = new AbortController();
    followed.attempt = attempt;
    const limit = this.#deps.clock.setTimeout(() => attempt.abort(), Math.min(followed.timeoutMs, MAX_TIMEOUT_MS));
    const result = await this.#deps.fetch(followed.source, attempt.signal);
    limit.cancel();
    followed.attempt = undefined;
    if (this.#followed.get(followed.source.key) === followed) this.#settle(followed, result);
  }

  #settle(followed: Followed, result: FetchedKeySet): void {
    const { clock, random, onFetched } = this.#deps;
    onFetched?.(result.kind === "key_set" ? "success" : "failure");
    if (result.kind === "failed") this.#fail(followed, result.reason);
    else this.#keep(followed, result);
    const delayMs = decideNextFetchMs(followed.failures, REFRESH_MS, random);
    followed.timer = clock.setTimeout(() => this.#enqueue(followed), delayMs);
  }

  #keep(followed: Followed, { text, keys }: Extract<FetchedKeySet, { kind: "key_set" }>): void {
    const { clock, log } = this.#deps;
    const isChanged = followed.text !== text;
    if (isChanged || followed.failures > 0) {
      log.info({ component: "jwks", ...describe(followed.source), keys, isChanged }, "fetched the keys of an issuer");
    }
    followed.text = text;
    followed.failures = 0;
    followed.fetchedAtMs = clock.monotonicMs();
    if (isChanged) this.#publish([followed.source.key]);
  }

  #fail(followed: Followed, reason: string): void {
    followed.failures += 1;
    const { failures, source, text } = followed;
    const consequence =
      text === undefined ? "its tokens are refused until it succeeds" : "the last good keys stay in use";
    this.#deps.log.warn(
      { component: "jwks", code: "jwks_fetch_failed", ...describe(source), reason, failures },
      `the keys of an issuer cannot be fetched: ${consequence}`,
    );
  }

  #publish(keys: readonly string[]): void {
    if (keys.length === 0) return;
    const known = [...this.#followed].flatMap(([key, { text }]): [string, string][] =>
      text === undefined ? [] : [[key, text]],
    );
    this.#current = new Map(known);
    for (const listener of this.#listeners) listener(keys);
  }
}

type WantedSource = Readonly<Pick<Followed, "source" | "timeoutMs" | "namespaces">>;

function sourcesOf(policies: Iterable<RequestAuthentication>): ReadonlyMap<string, WantedSource> {
  const wanted = new Map<string, WantedSource>();
  for (const { spec, metadata } of policies) {
    for (const rule of spec.jwtRules) {
      const source = keySourceOf(rule);
      if (source === undefined) continue;
      const timeoutMs = rule.timeout ?? DEFAULT_TIMEOUT_MS;
      const known = wanted.get(source.key);
      const namespaces = new Set(known?.namespaces).add(metadata.namespace);
      wanted.set(source.key, { source, timeoutMs: Math.max(known?.timeoutMs ?? 0, timeoutMs), namespaces });
    }
  }
  return wanted;
}

/** The address without its query, which may be confidential. */
function describe({ url, issuer }: KeySource): { readonly issuer: string; readonly url: string } {
  return { issuer, url: url.split("?", 1)[0] ?? "" };
}
