import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Why a proxy cannot start, or cannot be commanded.
 * - `bad_setting`: an environment variable or option is missing or invalid.
 * - `not_ready`: the workload's first certificate or policy did not come in time.
 * - `no_proxy`: no proxy of this pod accepts a command.
 */
export type ProxyErrorCode = "bad_setting" | "not_ready" | "no_proxy";

export class ProxyError extends MeshError<ProxyErrorCode> {}
