import type { Authority } from "../ca-agent/authority/authority.ts";
import type { TrustSource } from "../discovery/discovery-service.ts";
import type { Federation } from "./federation/start-federation.ts";

/** What the proxies trust: the mesh's own authority, and those of foreign trust domains. */
export function createTrustSource(
  authority: Pick<Authority, "roots" | "signingRoot" | "subscribe">,
  federation: Federation,
): TrustSource {
  return {
    current: () => ({
      roots: authority.roots(),
      signingRoot: authority.signingRoot(),
      federated: federation.current(),
    }),
    subscribe: (listener) => {
      const unsubscribe = [authority.subscribe(listener), federation.subscribe(listener)];
      return () => {
        for (const stop of unsubscribe) stop();
      };
    },
  };
}
