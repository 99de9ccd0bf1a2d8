import { MeshError } from "../../mesh/mesh-error.ts";

/**
 * `certificate_pem`: a text is not what it should be, one or more PEM certificates. `trust_bundle`: a bundle that
 * nobody could be verified with. `root_file`, `token_file`: the file cannot be used. `control_plane_address`: not
 * `host:port`. `control_plane_unreachable`: no connection, or not to whom the root file says. `issued_certificate`: the
 * certificate authority answered with something that must not be used.
 */
export type WorkloadTlsErrorCode =
  | "certificate_pem"
  | "trust_bundle"
  | "root_file"
  | "token_file"
  | "control_plane_address"
  | "control_plane_unreachable"
  | "issued_certificate";

/** Raised by the certificates', certificate authority's and discovery clients of the sidecar. */
export class WorkloadTlsError extends MeshError<WorkloadTlsErrorCode> {}
