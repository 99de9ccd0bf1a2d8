import type { DiscoveredKind, ServerVersion } from "../kubernetes-api.ts";
import { type Fields, invalid, isFields } from "./api-response.ts";

/** Reads a path of the server; undefined: 404. */
export type ReadPath = (path: string) => Promise<{ readonly fields: Fields; readonly call: string } | undefined>;

/** The kinds of a group in all its versions. */
export async function discoverGroup(group: string, read: ReadPath): Promise<readonly DiscoveredKind[]> {
  if (group === "") return await discoverVersion({ group, version: "v1", isPreferredVersion: true }, read);
  const found = await read(`/apis/${encodeURIComponent(group)}`);
  if (found === undefined) return [];
  const { versions, preferredVersion } = found.fields;
  if (!Array.isArray(versions)) throw invalid(found.call, "the group has no versions");
  const preferred = isFields(preferredVersion) ? preferredVersion["version"] : undefined;
  const names = versions.flatMap((entry: unknown) => (isFields(entry) ? (textOf(entry["version"]) ?? []) : []));
  const kinds = await Promise.all(
    names.map((version) => discoverVersion({ group, version, isPreferredVersion: version === preferred }, read)),
  );
  return kinds.flat();
}

interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly isPreferredVersion: boolean;
}

async function discoverVersion(place: GroupVersion, read: ReadPath): Promise<readonly DiscoveredKind[]> {
  const { group, version } = place;
  const root = group === "" ? "/api" : `/apis/${encodeURIComponent(group)}`;
  // 404: withdrawn since the group was read.
  const found = await read(`${root}/${encodeURIComponent(version)}`);
  if (found === undefined) return [];
  const { resources } = found.fields;
  if (!Array.isArray(resources)) throw invalid(found.call, "the version has no resources");
  return resources.flatMap((entry: unknown) => parseKind(entry, place) ?? []);
}

/** Undefined for subresources (`pods/status`) and anything unreadable. */
function parseKind(entry: unknown, place: GroupVersion): DiscoveredKind | undefined {
  if (!isFields(entry)) return undefined;
  const plural = textOf(entry["name"]);
  const kind = textOf(entry["kind"]);
  if (plural === undefined || kind === undefined || plural.includes("/")) return undefined;
  const isNamespaced = entry["namespaced"] === true;
  return { ...place, plural, kind, isNamespaced, verbs: texts(entry["verbs"]), shortNames: texts(entry["shortNames"]) };
}

/** Vendors append a mark to the minor version: `29+`. */
export function parseServerVersion({ major, minor, gitVersion }: Fields, call: string): ServerVersion {
  const numbers = [major, minor].map((part) => (typeof part === "string" ? Number.parseInt(part, 10) : Number.NaN));
  const [majorNumber = Number.NaN, minorNumber = Number.NaN] = numbers;
  if (Number.isNaN(majorNumber) || Number.isNaN(minorNumber)) throw invalid(call, "the version has no numbers");
  return { major: majorNumber, minor: minorNumber, gitVersion: textOf(gitVersion) ?? `v${majorNumber}.${minorNumber}` };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
