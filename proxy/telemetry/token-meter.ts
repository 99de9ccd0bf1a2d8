import { Counter, type Registry } from "prom-client";

/** Counts the requests that are authenticated by tokens, as Envoy's jwt_authn filter does. */
export interface TokenMeter {
  /** Without a token, or with a verified one. */
  allowed(): void;
  denied(): void;
  /** A CORS preflight, which needs no token. */
  preflightBypassed(): void;
  /** The token was verified before, or is being verified. */
  cacheHit(): void;
  /** The token's signature is verified. */
  cacheMiss(): void;
}

/** Counts nothing. */
export const NO_TOKEN_METER: TokenMeter = {
  allowed: ignore,
  denied: ignore,
  preflightBypassed: ignore,
  cacheHit: ignore,
  cacheMiss: ignore,
};

function ignore(): void {}

/** The names are those of Envoy's statistics as Prometheus shows them. A workload without token rules counts nothing. */
export function createTokenMeter(registry: Registry): TokenMeter {
  const counter = (name: string, help: string): (() => void) => {
    const counted = new Counter({ name: `envoy_http_jwt_authn_${name}`, help, registers: [registry] });
    return () => counted.inc();
  };
  return {
    allowed: counter("allowed", "Requests without a token or with a verified one."),
    denied: counter("denied", "Requests that were refused because of their token."),
    preflightBypassed: counter("cors_preflight_bypassed", "CORS preflights, which are not authenticated."),
    cacheHit: counter("jwt_cache_hit", "Requests whose token was known."),
    cacheMiss: counter("jwt_cache_miss", "Tokens whose signature was verified."),
  };
}
