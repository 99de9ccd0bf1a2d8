import { MeshError } from "../mesh-error.ts";

/**
 * Why a name or a certificate is not accepted as an identity.
 * `trust_domain` and `spiffe_id`: the text breaks SPIFFE's grammar. `certificate_der`: the certificate is not the
 * strict DER that RFC 5280 asks for. `certificate_san`: its names are not readable without doubt.
 */
export type IdentityErrorCode = "trust_domain" | "spiffe_id" | "certificate_der" | "certificate_san";

/** Raised by the parsers of `mesh/identity`. */
export class IdentityError extends MeshError<IdentityErrorCode> {}
