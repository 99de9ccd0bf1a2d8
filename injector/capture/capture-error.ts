import { MeshError } from "../../mesh/mesh-error.ts";

/**
 * Why a pod's traffic could not be captured.
 * - `invalid_value` an invalid port, address range or interface
 * - `iptables_missing`, `iproute2_missing` a program that is not installed
 * - `not_permitted` the process is not root or lacks NET_ADMIN
 * - `kernel_module_missing` the node's kernel lacks a module that a rule needs
 * - `iptables_failed` any other error from iptables or ip
 * - `capture_not_in_force` the rules were accepted, but are missing when read back
 */
export type CaptureErrorCode =
  | "invalid_value"
  | "iptables_missing"
  | "iproute2_missing"
  | "not_permitted"
  | "kernel_module_missing"
  | "iptables_failed"
  | "capture_not_in_force";

export class CaptureError extends MeshError<CaptureErrorCode> {}
