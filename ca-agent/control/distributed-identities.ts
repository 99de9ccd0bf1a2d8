import { formatSpiffeId, type SpiffeId, spiffeIdParts, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { CaError } from "../ca-error.ts";
import type { ControlState } from "./control-state.ts";

/**
 * Of the revoked identities in a trust bundle. A proxy refuses a message of more than 16 MB, and would keep the bundle before
 * it. Foreign roots, revocation lists and the mesh's own roots have less than 8 MB at most.
 */
const MAX_BYTES = 8_000_000;
/** What each proxy keeps of them: `MAX_JOINED` there is for two such bundles. */
const MAX_IDENTITIES = 100_000;
/** Tag and length in the message. */
const FIELD_BYTES = 3;

/** In the mesh's own domain and in each alias, if it is of one of them. */
export function equivalentIdentities(identity: SpiffeId, trustDomains: readonly TrustDomain[]): readonly SpiffeId[] {
  const parts = spiffeIdParts(identity);
  if (!trustDomains.includes(parts.trustDomain)) return [identity];
  return trustDomains.map((trustDomain) => formatSpiffeId({ ...parts, trustDomain }));
}

/**
 * Why what is revoked cannot be sent to the proxies: an identity has an entry for each trust domain of the mesh. To leave any
 * of them out would lift it.
 * @param trustDomains the mesh's own and its aliases
 */
export function findExcess(
  { revocations }: Pick<ControlState, "revocations">,
  trustDomains: readonly string[],
): CaError | undefined {
  const domains = new Set(trustDomains);
  let [count, bytes] = [0, 0];
  for (const { what } of revocations) {
    if (what.kind !== "identity") continue;
    const { trustDomain } = spiffeIdParts(what.identity);
    const sent = domains.has(trustDomain) ? [...domains] : [trustDomain];
    count += sent.length;
    const otherBytes = what.identity.length - trustDomain.length + FIELD_BYTES;
    for (const domain of sent) bytes += otherBytes + domain.length;
  }
  if (count <= MAX_IDENTITIES && bytes <= MAX_BYTES) return undefined;
  return new CaError(
    "control_limit",
    `the revoked identities are sent to every proxy in each of the mesh's ${domains.size} trust domains (trustDomainAliases): ` +
      `${count} with ${bytes} bytes are too many, the limit is ${MAX_IDENTITIES} with ${MAX_BYTES} bytes. Lift what is not ` +
      "needed any more (entente ca unrevoke), remove aliases, or replace the root",
  );
}
