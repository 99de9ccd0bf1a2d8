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

/** A workload without token rules counts nothing. */
export function createTokenMeter(registry: Registry): TokenMeter {
  const registers = [registry];
  const labelNames = ["result"] as const;
  const requests = new Counter({
    name: "entente_jwt_authn_total",
    help: "Requests by the result of their authentication with tokens; those without a token are allowed.",
    ...{ labelNames, registers },
  });
  const tokens = new Counter({
    name: "entente_jwt_authn_cache_total",
    help: "Tokens that were known (hit), and those whose signature had to be verified (miss).",
    ...{ labelNames, registers },
  });
  return {
    allowed: () => requests.inc({ result: "allowed" }),
    denied: () => requests.inc({ result: "denied" }),
    preflightBypassed: () => requests.inc({ result: "cors_preflight_bypassed" }),
    cacheHit: () => tokens.inc({ result: "hit" }),
    cacheMiss: () => tokens.inc({ result: "miss" }),
  };
}
