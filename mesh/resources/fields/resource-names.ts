import type { ResourceMetadata } from "./metadata.ts";

/** The parts of a resource's name. */
export interface NamedResource {
  readonly kind: string;
  readonly metadata: Pick<ResourceMetadata, "name" | "namespace">;
}

/** `Kind/name.namespace`, or `Kind/name` for cluster-wide kinds: the form used in decisions, logs and problems. */
export function formatResourceName(resource: NamedResource): string {
  const { name, namespace } = resource.metadata;
  return namespace === "" ? `${resource.kind}/${name}` : `${resource.kind}/${name}.${namespace}`;
}

/** The key of a namespaced resource in the maps of a ResourceSet. */
export function formatResourceKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** The key of Services whose selector has a label, in the index of a ResourceSet. */
export function formatSelectorKey(namespace: string, label: string, value: string): string {
  return `${namespace}/${label}=${value}`;
}

/**
 * Oldest first, as Istio orders conflicting rules: creation time, then name, then namespace. A resource without a time
 * (files have none) counts as older than any with one.
 */
export function compareAge(left: AgedResource, right: AgedResource): number {
  return (
    creationMs(left) - creationMs(right) ||
    compareText(left.metadata.name, right.metadata.name) ||
    compareText(left.metadata.namespace, right.metadata.namespace)
  );
}

/** The fields that determine age. */
export interface AgedResource {
  readonly metadata: Pick<ResourceMetadata, "name" | "namespace" | "creationTimestamp">;
}

function creationMs(resource: AgedResource): number {
  const parsed = Date.parse(resource.metadata.creationTimestamp ?? "");
  return Number.isNaN(parsed) ? 0 : parsed;
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
