import { MeshError, type MeshErrorOptions } from "../mesh/mesh-error.ts";

/**
 * - `bad_value`: a value of the installation is unknown or invalid
 * - `not_ours`: an object of the same name belongs to another installation
 * - `missing_rights`: the caller may not create what an installation needs
 * - `unsupported_cluster`: the cluster's version is not supported
 * - `not_available`: a Deployment did not become available
 */
export type InstallErrorCode = "bad_value" | "not_ours" | "missing_rights" | "unsupported_cluster" | "not_available";

/** An installation that cannot be rendered or applied. */
export class InstallError extends MeshError<InstallErrorCode> {
  constructor(code: InstallErrorCode, message: string, options?: MeshErrorOptions) {
    super(code, message, options);
  }
}
