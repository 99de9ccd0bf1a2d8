import { MeshError } from "../mesh/mesh-error.ts";

/**
 * What the certificate authority refuses or cannot do.
 * `csr_malformed`, `csr_key`, `csr_signature`: the caller's signing request is not readable, has a key that is not
 * accepted, or does not prove that the caller holds that key. `authority_expired`: nothing can be signed any more.
 * `authority_permissions`, `authority_files`, `authority_key`, `authority_chain`: the directory of the authority cannot
 * be used; the message names the file and the fix. `dns_name`: a server certificate was asked for an unfit name.
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
  | "dns_name";

/** Raised by everything in `ca-agent`. */
export class CaError extends MeshError<CaErrorCode> {}
