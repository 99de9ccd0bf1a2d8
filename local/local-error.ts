import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Why manifests cannot be run on this machine.
 * - `unfit_machine`: not Linux, not root, a program is missing, or the kernel refuses; the message says what to do.
 * - `port_in_use`: another process listens on a port that is to be published.
 * - `bad_manifest`: a manifest cannot be read or asks for what only a cluster has.
 * - `unknown_image`: no program of this machine stands for an image.
 * - `admission_failed`: the webhook refused a pod or did not answer.
 * - `container_failed`: a container ended while the pods started.
 * - `not_ready`: a pod was not ready in time.
 * - `container_state`: a container was to be stopped that does not run, or started that runs.
 * - `busy`: this process runs a cluster already.
 * - `stopped`: the cluster was stopped while something of it still started.
 * - `command_failed`: a system program failed; the message has what it said.
 */
export type LocalErrorCode =
  | "unfit_machine"
  | "port_in_use"
  | "bad_manifest"
  | "unknown_image"
  | "admission_failed"
  | "container_failed"
  | "not_ready"
  | "container_state"
  | "busy"
  | "stopped"
  | "command_failed";

export class LocalError extends MeshError<LocalErrorCode> {}
