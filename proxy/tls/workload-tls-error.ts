import { MeshError } from "../../mesh/mesh-error.ts";

/**
 * `certificate_pem`: a text is not one or more PEM certificates. `trust_bundle`: a bundle that cannot verify any peer. Of both:
 * `details.fingerprint` names the certificate because of which, as `X509Certificate.fingerprint256`.
 * `root_file`, `token_file`: the file is unusable. `control_plane_address`: not `host:port`.
 * `control_plane_unreachable`: no connection, or to a server that the root file does not verify.
 * `control_plane_revoked`: to one whose certificate is revoked. `issued_certificate`: the certificate authority issued
 * something that must not be used. `renewal_by_certificate`: the authority did not accept the own certificate as proof of
 * the identity.
 */
export type WorkloadTlsErrorCode =
  | "certificate_pem"
  | "trust_bundle"
  | "root_file"
  | "token_file"
  | "control_plane_address"
  | "control_plane_unreachable"
  | "control_plane_revoked"
  | "issued_certificate"
  | "renewal_by_certificate";

/** Thrown by the sidecar's certificate authority client and discovery client. */
export class WorkloadTlsError extends MeshError<WorkloadTlsErrorCode> {}
