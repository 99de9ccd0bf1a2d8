import type { Authority } from "../../ca-agent/authority/authority.ts";
import type { TrustSource } from "../../discovery/discovery-service.ts";
import type { RevocationParts } from "./start-revocations.ts";

/** What every proxy is sent: the roots, and what is revoked. */
export function createTrustSource(
  authority: Pick<Authority, "roots" | "signingRoot" | "subscribe">,
  revocations: Pick<RevocationParts, "current" | "subscribe">,
): TrustSource {
  return {
    current: () => {
      const revoked = revocations.current();
      const isAnything = revoked.certificates.length > 0 || revoked.identities.length > 0;
      const roots = { roots: authority.roots(), signingRoot: authority.signingRoot() };
      return isAnything ? { ...roots, revocations: revoked } : roots;
    },
    subscribe: (listener) => {
      const unsubscribe = [authority, revocations].map((source) => source.subscribe(listener));
      return () => {
        for (const stop of unsubscribe) stop();
      };
    },
  };
}
