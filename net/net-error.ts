import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Errors of listening and of waiting.
 * - `port_in_use`: another process listens there.
 * - `listen_failed`: the system does not allow it, for the reason in the message.
 * - `openssl_unavailable`: this Node does not export OpenSSL's functions, so handshakes cannot be bounded.
 * - `timed_out`: an operation did not finish within its time limit.
 */
export type NetErrorCode = "port_in_use" | "listen_failed" | "openssl_unavailable" | "timed_out";

export class NetError extends MeshError<NetErrorCode> {}
