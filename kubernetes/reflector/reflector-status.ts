import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { formatResourceName } from "../kinds.ts";
import type { KubernetesApiError } from "../kubernetes-api-error.ts";
import type { Selection } from "./list-pages.ts";

/** How well a reflector knows the server's state. Times are of the wall clock, in milliseconds. */
export type ReflectorStatus =
  | { readonly kind: "starting"; readonly sinceMs: number }
  /** Listed and watched. */
  | { readonly kind: "current"; readonly sinceMs: number }
  /** The last state is in force; the server was last heard at `sinceMs`. */
  | { readonly kind: "stale"; readonly sinceMs: number; readonly why: string }
  /** The server does not have the kind: its CRD is not installed. It is waited for. */
  | { readonly kind: "absent"; readonly sinceMs: number }
  /** `missingRight`: `list pods at the cluster scope`. */
  | { readonly kind: "forbidden"; readonly sinceMs: number; readonly missingRight: string; readonly why: string };

/** The right that a refused call needs, as an RBAC rule would say it. */
export function formatMissingRight(verb: "list" | "watch", { kind, namespace }: Selection): string {
  const where = namespace === undefined ? "at the cluster scope" : `in namespace ${namespace}`;
  return `${verb} ${formatResourceName(kind)} ${where}`;
}

export interface FailedCall {
  readonly verb: "list" | "watch";
  readonly selection: Selection;
  readonly error: KubernetesApiError;
  /** When the server was last heard. */
  readonly sinceMs: number;
}

/** The status after a refused or failed call. */
export function statusAfterFailure({ verb, selection, error, sinceMs }: FailedCall): ReflectorStatus {
  if (error.status !== 403) return { kind: "stale", sinceMs, why: error.message };
  return { kind: "forbidden", sinceMs, missingRight: formatMissingRight(verb, selection), why: error.message };
}

/** Logs that a reflector's knowledge has changed. */
export function reportStatus(log: Logger, { kind, namespace }: Selection, status: ReflectorStatus): void {
  const since = new Date(status.sinceMs).toISOString();
  const fields = { component: "kubernetes", resource: formatResourceName(kind), namespace, since };
  switch (status.kind) {
    case "starting":
    case "current":
      log.info(fields, "the Kubernetes API is watched");
      break;
    case "stale":
      log.warn({ ...fields, why: status.why }, "the Kubernetes API cannot be read; the last state stays in force");
      break;
    case "absent":
      log.info(fields, "the Kubernetes API does not have this kind; waiting for its CRD");
      break;
    case "forbidden": {
      const { missingRight, why } = status;
      log.error({ ...fields, missingRight, why }, "a right is missing; grant it in the ClusterRole");
      break;
    }
  }
}

/** Logs that who receives the changes has failed. */
export function reportConsumerFailure(log: Logger, { kind }: Selection, caught: unknown): void {
  const { code, message: why } = MeshError.from(caught);
  const fields = { component: "kubernetes", code, resource: formatResourceName(kind), why };
  log.error(fields, "a change could not be processed");
}
