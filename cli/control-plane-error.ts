import { MeshError } from "../mesh/mesh-error.ts";

/** `port_in_use`: something else listens there. `listen_failed`: the address cannot be listened on. */
export type ControlPlaneErrorCode = "port_in_use" | "listen_failed";

/** Raised by the control plane's server. */
export class ControlPlaneError extends MeshError<ControlPlaneErrorCode> {}
