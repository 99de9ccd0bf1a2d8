import { MeshError } from "../mesh/mesh-error.ts";

/**
 * Why manifests cannot be run on this machine.
 * - `unfit_machine`: not Linux, not root, a missing program, or a kernel without support; the message names the fix.
 * - `port_in_use`: another process listens on a port that is to be published.
 * - `bad_manifest`: a manifest cannot be read, or needs a real cluster.
 * - `unknown_image`: there is no program for an image.
 * - `admission_failed`: the webhook refused a pod or did not respond.
 * - `container_failed`: a container exited while the pods started.
 * - `not_ready`: a pod was not ready in time.
 * - `container_state`: a container to stop is not running, or one to start is running.
 * - `busy`: this process already runs a cluster.
 * - `stopped`: the cluster was stopped during the start.
 * - `command_failed`: a system program failed; the message contains its output.
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
