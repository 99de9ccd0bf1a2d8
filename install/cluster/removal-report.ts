import type { ApiKind, KubernetesObject, ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { describeObject } from "./installed-kinds.ts";

/** An object that a removal is about. */
export interface RemovalObject extends ObjectName {
  readonly kind: string;
}

/** One step of a removal. `note`: progress, or what to do next. */
export type RemovalStep =
  | { readonly kind: "deleted"; readonly objects: readonly RemovalObject[] }
  | { readonly kind: "kept"; readonly objects: readonly RemovalObject[]; readonly reason: string }
  | { readonly kind: "note"; readonly text: string };

/** `remove` deletes; `dry-run` lets the API server check each deletion and delete nothing. */
export type RemovalEffect = "remove" | "dry-run";

/** A removal as a value, for programs. */
export interface RemovalReport {
  readonly dryRun: boolean;
  /** What was deleted, in this order; of a dry run: what would be deleted. */
  readonly deleted: readonly RemovalObject[];
  readonly kept: readonly (RemovalObject & { readonly reason: string })[];
  readonly notes: readonly string[];
}

/** The report of an object that the API returned without its kind. */
export function removalObject({ kind }: ApiKind, { metadata }: Pick<KubernetesObject, "metadata">): RemovalObject {
  const { name, namespace } = metadata;
  return { kind, ...(namespace !== undefined && { namespace }), name };
}

/** One line. Objects of one kind are counted: `ConfigMap istio-ca-root-cert deleted in 3 namespaces`. */
export function formatRemovalStep(step: RemovalStep, effect: RemovalEffect): string {
  if (step.kind === "note") return step.text;
  const verb = step.kind === "kept" || effect === "remove" ? step.kind : "deleted (dry run)";
  const line = describeObjects(step.objects, verb);
  return step.kind === "kept" ? `${line}: ${step.reason}` : line;
}

function describeObjects(objects: readonly RemovalObject[], verb: string): string {
  const [first, ...rest] = objects;
  if (first === undefined) return `nothing ${verb}`;
  if (rest.length === 0) return `${describeObject({ apiVersion: "", kind: first.kind, metadata: first })} ${verb}`;
  const isOneName = rest.every(({ name }) => name === first.name);
  return isOneName
    ? `${first.kind} ${first.name} ${verb} in ${objects.length} namespaces`
    : `${objects.length} of ${first.kind} ${verb}`;
}

/** All steps of a removal as one value. */
export function createRemovalReport(steps: readonly RemovalStep[], effect: RemovalEffect): RemovalReport {
  return {
    dryRun: effect === "dry-run",
    deleted: steps.flatMap((step) => (step.kind === "deleted" ? step.objects : [])),
    kept: steps.flatMap((step) =>
      step.kind === "kept" ? step.objects.map((object) => ({ ...object, reason: step.reason })) : [],
    ),
    notes: steps.flatMap((step) => (step.kind === "note" ? [step.text] : [])),
  };
}
