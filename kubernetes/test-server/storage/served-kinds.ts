import { KINDS } from "../../kinds.ts";
import type { ApiKind, KubernetesObject } from "../../kubernetes-api.ts";
import { isFields } from "../../requests/api-response.ts";

/** A kind that the test server offers. */
export interface ServedKind extends ApiKind {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly hasStatus: boolean;
  readonly isPreferredVersion: boolean;
  /** Not of a CustomResourceDefinition. */
  readonly isBuiltIn: boolean;
  /** What `kubectl get` shows beside the name. */
  readonly columns: readonly PrinterColumn[];
}

/** An entry of a definition's `additionalPrinterColumns`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description: string;
  /** 0: always shown; greater: with `-o wide`. */
  readonly priority: number;
}

/** Where the objects of a kind are stored: the same for all its versions. */
export function storageKey({ group, plural }: Pick<ApiKind, "group" | "plural">): string {
  return `${group}/${plural}`;
}

const SHORT_NAMES: Readonly<Record<string, readonly string[]>> = {
  pods: ["po"],
  services: ["svc"],
  namespaces: ["ns"],
  nodes: ["no"],
  configmaps: ["cm"],
  serviceaccounts: ["sa"],
  deployments: ["deploy"],
  events: ["ev"],
};

const WITH_STATUS = new Set([
  "namespaces",
  "nodes",
  "pods",
  "services",
  "deployments",
  "replicasets",
  "statefulsets",
  "daemonsets",
  "jobs",
  "cronjobs",
  "poddisruptionbudgets",
  "horizontalpodautoscalers",
  "customresourcedefinitions",
]);

/** Kubernetes' own kinds. */
export const BUILT_IN_KINDS: readonly ServedKind[] = Object.values(KINDS).map((kind: ApiKind) => ({
  ...kind,
  singular: kind.kind.toLowerCase(),
  shortNames: SHORT_NAMES[kind.plural] ?? [],
  hasStatus: WITH_STATUS.has(kind.plural),
  isPreferredVersion: true,
  isBuiltIn: true,
  columns: [],
}));

/** The kinds that a CustomResourceDefinition adds, one a served version. */
export function kindsOfDefinition({ spec }: KubernetesObject): readonly ServedKind[] {
  if (!isFields(spec) || !isFields(spec["names"]) || !Array.isArray(spec["versions"])) return [];
  const { names, group, scope } = spec;
  const versions = spec["versions"].filter(isFields).filter(({ served }) => served === true);
  return versions.map((version, index) => ({
    group: String(group),
    version: String(version["name"]),
    plural: String(names["plural"]),
    kind: String(names["kind"]),
    singular: String(names["singular"] ?? String(names["kind"]).toLowerCase()),
    shortNames: Array.isArray(names["shortNames"]) ? names["shortNames"].map(String) : [],
    isNamespaced: scope === "Namespaced",
    hasStatus: isFields(version["subresources"]) && "status" in version["subresources"],
    isPreferredVersion: index === 0,
    isBuiltIn: false,
    columns: columnsOf(version["additionalPrinterColumns"]),
  }));
}

function columnsOf(columns: unknown): readonly PrinterColumn[] {
  return (Array.isArray(columns) ? columns.filter(isFields) : []).map((column) => ({
    name: String(column["name"]),
    type: String(column["type"]),
    jsonPath: String(column["jsonPath"]),
    description: String(column["description"] ?? ""),
    priority: Number(column["priority"] ?? 0),
  }));
}
