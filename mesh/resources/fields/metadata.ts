import { z } from "zod";
import type { Immutable } from "./immutable.ts";

/** Names of objects (RFC 1123). */
export const DNS_SUBDOMAIN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
/** Names of namespaces and Services. */
export const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Labels and annotations: Kubernetes accepts only strings, so `version: 1` must be quoted. */
export const stringMapSchema = z.record(z.string(), z.string());

/** Strict, because a dropped condition would widen a rule from one workload to a namespace. */
export const workloadSelectorSchema = z.strictObject({ matchLabels: stringMapSchema.default({}) });

/** TCP ports, 1 to 65535. */
export const portNumberSchema = z.int().min(1).max(65535);

/** The parts of an object's metadata that are used. Cluster-wide kinds have the empty namespace. */
export const metadataSchema = z.object({
  name: z.string().regex(DNS_SUBDOMAIN, "must be a DNS name (RFC 1123): a-z, 0-9, '-' and '.', at most 253 characters"),
  namespace: z.string().regex(DNS_LABEL, "must be a DNS label (RFC 1123): a-z, 0-9 and '-'").or(z.literal("")),
  labels: stringMapSchema.default({}),
  annotations: stringMapSchema.default({}),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  uid: z.string().optional(),
  ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })).default([]),
});

export type ResourceMetadata = Immutable<z.output<typeof metadataSchema>>;

/** Where a resource was defined. */
export interface ResourceOrigin {
  readonly file: string;
  /** Starts at 1. */
  readonly line: number;
}

/** The common part of all resources. */
export interface ResourceBase {
  readonly apiVersion: string;
  readonly metadata: ResourceMetadata;
  /** Absent for resources that were not read from a file. */
  readonly origin?: ResourceOrigin;
  /**
   * Parts that the document does not have: when it is applied over an earlier version, that version's parts are kept.
   */
  readonly absent?: readonly ("spec" | "status")[];
  /** Paths of unsupported fields, which are ignored: `spec.http[0].redirect`. */
  readonly unsupported?: readonly string[];
  /** Set if the resource takes the place of an invalid one that has no earlier valid version. */
  readonly standsInFor?: StandInScope;
}

/**
 * What a stand-in covers: what the invalid resource names (`as_written`); or, because that is not readable, everything in
 * its namespace, or everything in the mesh.
 */
export type StandInScope = "as_written" | "namespace" | "mesh";
