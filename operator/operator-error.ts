import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Why a report cannot be made.
 * - `not_found`: there is no such pod or service.
 * - `ambiguous`: several match; the message names them.
 * - `bad_page`: a program in a pod does not send what is expected of it.
 * - `not_allowed`: the API server does not know the caller, or refuses what the report needs.
 * - `not_local`: no mesh runs on this machine.
 * - `not_possible`: what is asked for would have no effect; the message says what has.
 */
export type OperatorErrorCode = "not_found" | "ambiguous" | "bad_page" | "not_allowed" | "not_local" | "not_possible";

export class OperatorError extends MeshError<OperatorErrorCode> {}
