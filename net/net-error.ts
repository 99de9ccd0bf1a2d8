import { MeshError } from "../mesh/mesh-error.ts";

/**
 * What can keep a server from its port, and a wait from its end.
 * - `port_in_use`: another process listens there.
 * - `listen_failed`: the system does not allow it, for the reason in the message.
 * - `openssl_unavailable`: this Node does not offer OpenSSL's functions, so handshakes cannot be bounded.
 * - `timed_out`: what was waited for did not come within its time limit.
 */
export type NetErrorCode = "port_in_use" | "listen_failed" | "openssl_unavailable" | "timed_out";

export class NetError extends MeshError<NetErrorCode> {}
