import { apiVersionOf } from "../../kinds.ts";
import type { Fields } from "../../requests/api-response.ts";
import type { ServedKind } from "../storage/served-kinds.ts";

const VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"];

/** `/version`. */
export function versionDocument(gitVersion: string): Fields {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return { major, minor, gitVersion, gitCommit: "", goVersion: "", compiler: "", platform: "linux/amd64" };
}

/** `/api`. */
export function coreVersionsDocument(): Fields {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** `/apis`. */
export function groupsDocument(kinds: readonly ServedKind[]): Fields {
  const groups = [...new Set(kinds.map(({ group }) => group))].filter((group) => group !== "");
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map((group) => groupEntry(kinds, group)) };
}

/** `/apis/GROUP`; undefined if no kind has it. */
export function groupDocument(kinds: readonly ServedKind[], group: string): Fields | undefined {
  if (group === "" || !kinds.some((kind) => kind.group === group)) return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...groupEntry(kinds, group) };
}

/** `/api/v1` and `/apis/GROUP/VERSION`; undefined if no kind has it. */
export function kindsDocument(kinds: readonly ServedKind[], group: string, version: string): Fields | undefined {
  const served = kinds.filter((kind) => kind.group === group && kind.version === version);
  const [first] = served;
  if (first === undefined) return undefined;
  const groupVersion = apiVersionOf(first);
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: served.flatMap(resourceEntries) };
}

function groupEntry(kinds: readonly ServedKind[], name: string): Fields {
  const served = kinds.filter(({ group }) => group === name);
  const versions = [...new Set(served.map(({ version }) => version))].map(entryOf);
  const preferred = served.find(({ isPreferredVersion }) => isPreferredVersion)?.version ?? served[0]?.version ?? "";
  return { name, versions, preferredVersion: entryOf(preferred) };

  function entryOf(version: string): Fields {
    return { groupVersion: `${name}/${version}`, version };
  }
}

function resourceEntries(served: ServedKind): readonly Fields[] {
  const { plural, singular, kind, isNamespaced, shortNames, hasStatus } = served;
  const entry = { name: plural, singularName: singular, namespaced: isNamespaced, kind, verbs: VERBS, shortNames };
  const status = {
    name: `${plural}/status`,
    singularName: "",
    namespaced: isNamespaced,
    kind,
    verbs: ["get", "patch", "update"],
  };
  return hasStatus ? [entry, status] : [entry];
}

/** `/openapi/v3`: where each version's description is. */
export function openApiIndex(kinds: readonly ServedKind[]): Fields {
  const roots = [...new Set(kinds.map(rootOf))];
  return { paths: Object.fromEntries(roots.map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}` }])) };
}

/** `/openapi/v3/apis/GROUP/VERSION`, with as much as kubectl wants to see: that the server validates fields itself. */
export function openApiDocument(kinds: readonly ServedKind[], root: string): Fields | undefined {
  const served = kinds.filter((kind) => rootOf(kind) === root);
  if (served.length === 0) return undefined;
  const parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map((name) => ({
    name,
    in: "query",
    schema: { type: "string" },
  }));
  const paths = served.map(({ group, version, kind, plural, isNamespaced }) => {
    const path = `/${root}/${isNamespaced ? "namespaces/{namespace}/" : ""}${plural}/{name}`;
    return [
      path,
      { patch: { "x-kubernetes-group-version-kind": { group, version, kind }, parameters, responses: {} } },
    ];
  });
  const info = { title: "Kubernetes", version: "test" };
  return { openapi: "3.0.0", info, paths: Object.fromEntries(paths), components: { schemas: {} } };
}

function rootOf({ group, version }: ServedKind): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}
