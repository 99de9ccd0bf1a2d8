import { MeshError } from "../mesh/mesh-error.ts";

/**
 * What can keep a proxy from its work.
 * - `port_in_use`: another process of the pod listens on one of the proxy's ports.
 * - `listen_failed`: the system did not let the proxy listen, for the reason in the message.
 * - `bad_setting`: an environment variable or option is missing or cannot be read.
 * - `not_ready`: the workload's first certificate or policy did not come in time.
 */
export type ProxyErrorCode = "port_in_use" | "listen_failed" | "bad_setting" | "not_ready";

export class ProxyError extends MeshError<ProxyErrorCode> {}
