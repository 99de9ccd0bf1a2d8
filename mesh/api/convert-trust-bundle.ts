/** Converts the trust bundle to its message and back: what cannot be read is an error, because it would change who is trusted. */
import { create } from "@bufbuild/protobuf";
import { parsePodTag } from "../identity/pod-tag.ts";
import { normalizeSerialNumber } from "../identity/serial-number.ts";
import { parseSpiffeId, parseTrustDomain } from "../identity/spiffe-id.ts";
import type { FederatedDomain, RevokedCertificate, TrustBundle } from "../policy/types.ts";
import { ConvertError } from "./convert-error.ts";
import {
  type FederatedDomain as FederatedDomainMessage,
  type RevokedCertificate as RevokedCertificateMessage,
  type TrustBundleResource,
  TrustBundleResourceSchema,
} from "./gen/discovery_pb.ts";

const SERIAL_NUMBER = /^(?:0|[1-9A-F][0-9A-F]*)$/;

export function messageFromTrustBundle(bundle: TrustBundle): TrustBundleResource {
  const { roots, trustDomains, signingRoot = "", federated = [], revocations } = bundle;
  return create(TrustBundleResourceSchema, {
    roots: [...roots],
    trustDomains: [...trustDomains],
    signingRoot,
    federated: federated.map((domain) => ({ ...domain, roots: [...domain.roots] })),
    // In another spelling one entry would make the whole bundle unreadable for every proxy.
    revokedCertificates: (revocations?.certificates ?? []).map((entry) => ({
      ...entry,
      serialNumber: normalizeSerialNumber(entry.serialNumber),
    })),
    revokedIdentities: [...(revocations?.identities ?? [])],
    revokedPods: [...(revocations?.pods ?? [])],
  });
}

/** A bundle without roots or domains would end every connection, so it is refused as an error. */
export function trustBundleFromMessage(message: TrustBundleResource): TrustBundle {
  if (message.roots.length === 0) throw new ConvertError("the trust bundle has no root certificates");
  if (message.trustDomains.length === 0) throw new ConvertError("the trust bundle has no trust domain");
  const { roots, trustDomains, signingRoot, federated, revokedCertificates, revokedIdentities, revokedPods } = message;
  const isAnythingRevoked = [revokedCertificates, revokedIdentities, revokedPods].some(({ length }) => length > 0);
  return {
    roots: [...roots],
    trustDomains: trustDomains.map(parseTrustDomain),
    ...(signingRoot !== "" && { signingRoot }),
    ...(federated.length > 0 && { federated: federated.map(federatedFromMessage) }),
    ...(isAnythingRevoked && {
      revocations: {
        certificates: revokedCertificates.map(revokedFromMessage),
        identities: revokedIdentities.map(parseSpiffeId),
        ...(revokedPods.length > 0 && { pods: revokedPods.map(parsePodTag) }),
      },
    }),
  };
}

function federatedFromMessage({ trustDomain, roots, incomplete }: FederatedDomainMessage): FederatedDomain {
  if (roots.length === 0 && !incomplete) {
    throw new ConvertError(`the trust domain ${trustDomain} has no root certificates`);
  }
  return { trustDomain: parseTrustDomain(trustDomain), roots: [...roots], ...(incomplete && { incomplete }) };
}

/** An entry that cannot be read is an error: skipped, it would let a revoked certificate in. */
function revokedFromMessage({ serialNumber, issuer }: RevokedCertificateMessage): RevokedCertificate {
  if (!SERIAL_NUMBER.test(serialNumber)) {
    throw new ConvertError(`${JSON.stringify(serialNumber)} is not the serial number of a certificate`);
  }
  return { serialNumber, ...(issuer !== "" && { issuer }) };
}
