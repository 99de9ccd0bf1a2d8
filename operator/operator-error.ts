import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Why a report cannot be made.
 * - `not_found`: there is no such pod or service.
 * - `ambiguous`: several match; the message names them.
 */
export type OperatorErrorCode = "not_found" | "ambiguous";

export class OperatorError extends MeshError<OperatorErrorCode> {}
