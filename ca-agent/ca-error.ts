import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Error codes of the certificate authority.
 * `csr_malformed`, `csr_key`, `csr_signature`: the signing request is not readable, has a key that is not accepted, or
 * does not prove possession of that key. `authority_expired`: nothing can be signed any more. `authority_permissions`,
 * `authority_files`, `authority_key`, `authority_chain`: the authority's directory cannot be used; the message names
 * the file and the fix. `authority_clock`: no root is created, because this process's clock is wrong, or the one that it
 * is compared with. `authority_root_lost`: the authority has changed so that current certificates would no longer be
 * trusted. `dns_name`: a server certificate was requested for an invalid name. `control_state`: what an operator asks of
 * the authority cannot be read; `control_limit`, `control_conflict`, `control_write`: it cannot be stored;
 * `control_version`, `authority_version`: it, or the authority, was stored by a later version of this program, which
 * alone may change it. `revocation_list`: an operator's list of revoked certificates cannot be read, or is not signed by
 * an authority of the mesh.
 */
export type CaErrorCode =
  | "csr_malformed"
  | "csr_key"
  | "csr_signature"
  | "authority_expired"
  | "authority_permissions"
  | "authority_files"
  | "authority_key"
  | "authority_chain"
  | "authority_clock"
  | "authority_root_lost"
  | "authority_version"
  | "dns_name"
  | "control_state"
  | "control_limit"
  | "control_conflict"
  | "control_write"
  | "control_version"
  | "revocation_list";

/** Thrown by everything in `ca-agent`. */
export class CaError extends MeshError<CaErrorCode> {}
