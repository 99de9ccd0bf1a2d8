import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import type { Authority, ServingPair } from "./authority.ts";

/** The certificate of one of the control plane's own servers, renewed automatically. */
export interface ServingCertificate {
  current(): ServingPair;
  /** Calls the listener with each later certificate. Returns the function that unsubscribes. */
  subscribe(listener: (pair: ServingPair) => void): () => void;
  /** Signs another one now, with another key: the current one is revoked. */
  renew(): void;
  /** Stops the renewal. */
  stop(): void;
}

export interface ServingCertificateOptions {
  readonly authority: Pick<Authority, "signServing" | "subscribe">;
  readonly dnsNames: readonly string[];
  /** @default 24 hours */
  readonly lifetimeMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const DEFAULT_LIFETIME_MS = 86_400_000;
/** The wall clock is checked this often, because a long timer is suspended along with the machine, and a clock may be set. */
const MAX_WAIT_MS = 10_000;
const RETRY_MS = 60_000;
/** A clock that is set back by more was wrong when the certificate was signed, which may not be valid yet. */
const MAX_SET_BACK_MS = 60_000;
/** Keeps the timer from spinning: near the authority's expiry, half of the remaining lifetime approaches zero. */
const MIN_WAIT_MS = 1000;

/**
 * Signs a certificate now, and a new one at half of its lifetime and after each change of the authority, so that no
 * server has to restart. Also when the clock was set back: no client would connect until the certificate begins. A failed
 * renewal is retried; the old certificate stays.
 */
export function startServingCertificate(options: ServingCertificateOptions): ServingCertificate {
  const { authority, dnsNames, clock, log } = options;
  const listeners = new Set<(pair: ServingPair) => void>();
  const sign = () => {
    const signedAtMs = clock.now();
    const pair = authority.signServing({ dnsNames, lifetimeMs: options.lifetimeMs ?? DEFAULT_LIFETIME_MS });
    return { pair, signedAtMs, renewAtMs: signedAtMs + (pair.notAfterMs - signedAtMs) / 2 };
  };
  let signed = sign();
  const isDue = (): boolean => {
    const nowMs = clock.now();
    return nowMs >= signed.renewAtMs || nowMs < signed.signedAtMs - MAX_SET_BACK_MS;
  };
  let timer: Timer | undefined;
  const renew = (): void => {
    try {
      signed = sign();
      for (const listener of [...listeners]) listener(signed.pair);
      const notAfter = new Date(signed.pair.notAfterMs).toISOString();
      log.info({ component: "ca-agent", dnsNames, notAfter }, "renewed a server certificate");
    } catch (caught) {
      const { code, message } = MeshError.from(caught);
      log.error({ component: "ca-agent", code, dnsNames, reason: message }, "could not renew a server certificate");
    }
  };
  const wait = (): void => {
    const leftMs = signed.renewAtMs - clock.now();
    // A renewal that is due has just failed.
    const waitMs = isDue() ? RETRY_MS : Math.min(Math.max(leftMs, MIN_WAIT_MS), MAX_WAIT_MS);
    timer = clock.setTimeout(() => {
      if (isDue()) renew();
      wait();
    }, waitMs);
  };
  wait();
  // A new signer's certificate has a root that stays; the old one's may be about to leave the bundle.
  const unsubscribe = authority.subscribe(renew);
  return {
    current: () => signed.pair,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    renew,
    stop: () => {
      unsubscribe();
      timer?.cancel();
    },
  };
}
