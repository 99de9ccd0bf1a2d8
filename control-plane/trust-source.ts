import type { Authority } from "../ca-agent/authority/authority.ts";
import type { TrustSource } from "../discovery/discovery-service.ts";
import type { Federation } from "./federation/start-federation.ts";
import type { RevocationParts } from "./identity/start-revocations.ts";

/** What the proxies trust: the mesh's own authority, and those of foreign trust domains, but nothing that is revoked. */
export function createTrustSource(
  authority: Pick<Authority, "roots" | "signingRoot" | "subscribe">,
  federation: Federation,
  revocations: Pick<RevocationParts, "current" | "subscribe">,
): TrustSource {
  return {
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
