import { randomUUID } from "node:crypto";
import type { Authority } from "../ca-agent/authority/authority.ts";
import type { TrustSource } from "../discovery/discovery-service.ts";
import type { TrustReadings } from "../mesh/policy/authentication/trust-readings.ts";
import type { Federation } from "./federation/start-federation.ts";
import type { Identity } from "./identity/start-identity.ts";
import type { RevocationParts } from "./identity/start-revocations.ts";

export interface TrustParts {
  readonly authority: Pick<Authority, "roots" | "signingRoot" | "subscribe">;
  readonly federation: Federation;
  readonly revocations: Pick<RevocationParts, "current" | "subscribe">;
  readonly readings?: Identity["readings"];
}

/** What the proxies trust: the mesh's own authority, and those of foreign trust domains, but nothing that is revoked. */
export function createTrustSource({ authority, federation, revocations, readings }: TrustParts): TrustSource {
  const controlPlane = randomUUID();
  return {
    ...(readings !== undefined && { readings: (): TrustReadings => ({ controlPlane, ...readings() }) }),
    current: () => ({
      roots: authority.roots(),
      signingRoot: authority.signingRoot(),
      federated: federation.current(),
      revocations: revocations.current(),
    }),
    subscribe: (listener) => {
      const unsubscribe = [authority, federation, revocations].map((source) => source.subscribe(listener));
      return () => {
        for (const stop of unsubscribe) stop();
      };
    },
  };
}
