import { MeshError } from "../mesh-error.ts";

/**
 * Why a name or a certificate is not accepted as an identity.
 * `trust_domain` and `spiffe_id`: the text violates SPIFFE's grammar. `certificate_der`: the certificate is not strict
 * DER as RFC 5280 requires. `certificate_san`: its names cannot be read unambiguously. `revocation_list`: a list of revoked
 * certificates is not one that is understood completely. `pod_tag`: the text is not the tag of a pod.
 */
export type IdentityErrorCode =
  | "trust_domain"
  | "spiffe_id"
  | "certificate_der"
  | "certificate_san"
  | "revocation_list"
  | "pod_tag";

/** Thrown by the parsers of `mesh/identity`. */
export class IdentityError extends MeshError<IdentityErrorCode> {}
