import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Errors of the injector.
 * - `invalid_annotation` an annotation of the pod has an invalid or unsupported value
 * - `invalid_mesh_config` the mesh configuration is not YAML, or a field of it is invalid
 * - `invalid_serving_certificate` the webhook's certificate or key cannot be read, do not match, or have expired
 * - `webhook_authority` the Secret with the authority of the webhook's certificates cannot be agreed on
 * - `own_pod` the pod of this process was not found, of which injected pods get the image
 * - `invalid_manifest` a file for offline injection is not YAML, or contains an invalid workload
 * - `unreadable_manifest` a file or folder for offline injection cannot be read
 */
export type InjectorErrorCode =
  | "invalid_annotation"
  | "invalid_mesh_config"
  | "invalid_serving_certificate"
  | "webhook_authority"
  | "own_pod"
  | "invalid_manifest"
  | "unreadable_manifest";

export class InjectorError extends MeshError<InjectorErrorCode> {}
