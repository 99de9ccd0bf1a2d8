/** What the processes of the scale bench tell each other over `fork`. */
import type { MeshSize } from "./topology.ts";

/** For the simulated API server. */
export type ToApiServer =
  | {
      readonly kind: "start";
      readonly size: MeshSize;
      /** The mesh's root, PEM. */
      readonly authority: { readonly certificatePem: string; readonly keyPem: string };
    }
  | { readonly kind: "replace-pod"; readonly change: number };

export type FromApiServer = { readonly kind: "started"; readonly kubeconfig: string } | PodReplaced;

export interface PodReplaced {
  readonly kind: "replaced";
  /** The label by which a sidecar recognizes the new pod. */
  readonly version: string;
  readonly service: number;
  /** When the first of its objects was written. */
  readonly atMs: number;
}

/** For a process of simulated sidecars. */
export interface SidecarsJob {
  readonly size: MeshSize;
  /** The numbers of the sidecars in this process. */
  readonly first: number;
  readonly count: number;
  /** Of the control plane, `host:port`. */
  readonly address: string;
  /** Of the authority that signs for the control plane, too. */
  readonly caDirectory: string;
  readonly rootFile: string;
}

export type ToSidecars = { readonly kind: "start"; readonly job: SidecarsJob } | { readonly kind: "report" };

export type FromSidecars =
  | { readonly kind: "started" }
  /** Each subscription has had its first value. */
  | { readonly kind: "have-state"; readonly atMs: number }
  | { readonly kind: "seen"; readonly versions: readonly SeenVersion[] };

/** How many sidecars have seen a version of a pod, and when the last of them did. */
export interface SeenVersion {
  readonly version: string;
  readonly count: number;
  readonly lastMs: number;
}

/** The monotonic clock of the machine, which all processes share, in milliseconds. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
