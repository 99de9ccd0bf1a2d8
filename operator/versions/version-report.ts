import { formatCount } from "../../mesh/format-count.ts";
import { formatTable } from "../text/text-table.ts";
import type { MeshPod, MeshPods } from "./component-pods.ts";

/** The versions of this program and of a mesh. */
export interface VersionReport {
  readonly client: string;
  readonly controlPlane: readonly VersionCount[];
  readonly injector: readonly VersionCount[];
  /** Sidecars and gateways. */
  readonly dataPlane: readonly VersionCount[];
}

export interface VersionCount {
  readonly version: string;
  readonly pods: number;
}

/** Counts the pods of each version. */
export function createVersionReport(client: string, pods: MeshPods): VersionReport {
  return {
    client,
    controlPlane: countVersions(pods.controlPlane),
    injector: countVersions(pods.injector),
    dataPlane: countVersions(pods.proxies),
  };
}

export function formatVersions({ client, controlPlane, injector, dataPlane }: VersionReport): string {
  return formatTable([
    ["client:", client],
    ["control plane:", formatCounts(controlPlane)],
    ["injector:", formatCounts(injector)],
    ["data plane:", formatCounts(dataPlane)],
  ]);
}

function countVersions(pods: readonly MeshPod[]): readonly VersionCount[] {
  return [...Map.groupBy(pods, ({ version }) => version)]
    .map(([version, group]) => ({ version, pods: group.length }))
    .sort((left, right) => right.pods - left.pods);
}

function formatCounts(counts: readonly VersionCount[]): string {
  if (counts.length === 0) return "none running";
  return counts.map(({ version, pods }) => `${version} (${formatCount(pods, "pod")})`).join(", ");
}
