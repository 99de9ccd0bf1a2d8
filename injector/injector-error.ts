import { MeshError } from "../mesh/mesh-error.ts";

/**
 * What can go wrong in the injector.
 * - `invalid_annotation` an annotation of the pod asks for something that is not valid or not supported
 * - `invalid_serving_certificate` the webhook's certificate or key cannot be read, do not fit, or have expired
 * - `invalid_manifest` a file for offline injection is not YAML, or a workload in it is not valid
 * - `unreadable_manifest` a file or folder for offline injection cannot be read
 */
export type InjectorErrorCode =
  | "invalid_annotation"
  | "invalid_serving_certificate"
  | "invalid_manifest"
  | "unreadable_manifest";

export class InjectorError extends MeshError<InjectorErrorCode> {}
