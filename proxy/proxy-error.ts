import { MeshError } from "../mesh/mesh-error.ts";

/**
 * What can keep a proxy from its work.
 * - `bad_setting`: an environment variable or option is missing or cannot be read.
 * - `not_ready`: the workload's first certificate or policy did not come in time.
 */
export type ProxyErrorCode = "bad_setting" | "not_ready";

export class ProxyError extends MeshError<ProxyErrorCode> {}
