import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Why a proxy cannot start.
 * - `bad_setting`: an environment variable or option is missing or invalid.
 * - `not_ready`: the workload's first certificate or policy did not come in time.
 */
export type ProxyErrorCode = "bad_setting" | "not_ready";

export class ProxyError extends MeshError<ProxyErrorCode> {}
