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
/** The wall clock is checked this often, because a long timer is suspended along with the machine. */
const MAX_WAIT_MS = 60_000;
/** Keeps the timer from spinning: near the authority's expiry, half of the remaining lifetime approaches zero. */
const MIN_WAIT_MS = 1000;

/**
 * Signs a certificate now, and a new one at half of its lifetime and after each change of the authority, so that no
 * server has to restart. A failed renewal is retried; the old certificate stays.
 */
export function startServingCertificate(options: ServingCertificateOptions): ServingCertificate {
  const { authority, dnsNames, clock, log } = options;
  const listeners = new Set<(pair: ServingPair) => void>();
  const sign = (): { readonly pair: ServingPair; readonly renewAtMs: number } => {
    const nowMs = clock.now();
    const pair = authority.signServing({ dnsNames, lifetimeMs: options.lifetimeMs ?? DEFAULT_LIFETIME_MS });
    return { pair, renewAtMs: nowMs + (pair.notAfterMs - nowMs) / 2 };
  };
  let signed = sign();
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
    // An overdue renewal has just failed.
    const waitMs = leftMs <= 0 ? MAX_WAIT_MS : Math.min(Math.max(leftMs, MIN_WAIT_MS), MAX_WAIT_MS);
    timer = clock.setTimeout(() => {
      if (clock.now() >= signed.renewAtMs) renew();
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
