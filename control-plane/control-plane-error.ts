import { MeshError } from "../mesh/mesh-error.ts";

/** `invalid_mesh_config`: the file of mesh settings cannot be used; the message names it and the field. */
export type ControlPlaneErrorCode = "invalid_mesh_config";

/** Thrown by the assembly of the control plane. */
export class ControlPlaneError extends MeshError<ControlPlaneErrorCode> {}
