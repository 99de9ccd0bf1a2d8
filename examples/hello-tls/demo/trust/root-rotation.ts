import type { Traffic, TrafficCount } from "../checks/traffic.ts";
import type { DemoCluster } from "../demo-cluster.ts";
import type { CommandResult } from "../pods/demo-pod.ts";
import { readAuthority, type ShownAuthority } from "./authority-view.ts";

/** A rotation of the root, which lasts longer than one check. */
export interface RootRotation {
  /** Starts `entente ca rotate-root --wait`, and does not wait. */
  request(): Promise<void>;
  /** When the command has ended. */
  awaitEnd(): Promise<Rotated>;
}

export type Rotated =
  | { readonly kind: "not_requested" }
  | {
      readonly kind: "ended";
      readonly command: CommandResult;
      readonly elapsedMs: number;
      /** As it was before. */
      readonly authority: ShownAuthority | undefined;
      readonly traffic: TrafficCount;
      /** Of each pod of the mesh. */
      readonly processIds: ProcessIds;
    };

/** By the pod's name: the ids of its processes. */
export type ProcessIds = Readonly<Record<string, string>>;

interface Surroundings {
  readonly cluster: DemoCluster;
  readonly traffic: Traffic;
  readonly signal: AbortSignal;
}

/** Longer than all phases with the demo's certificates, which last seconds. */
const LIMIT = "150s";

/** A rotation that can be requested once. */
export function createRootRotation({ cluster, traffic, signal }: Surroundings): RootRotation {
  let ended: Promise<Rotated> = Promise.resolve({ kind: "not_requested" });
  return {
    request: async () => {
      const before = {
        authority: await readAuthority(cluster, signal),
        traffic: traffic.count(),
        processIds: readProcessIds(cluster),
      };
      const startedMs = performance.now();
      ended = cluster.ca(["rotate-root", "--wait", "--timeout", LIMIT], signal).then((command) => ({
        ...{ kind: "ended", command, elapsedMs: performance.now() - startedMs },
        ...before,
      }));
      // A fault is reported when the end is awaited; until then it must not end the process.
      ended.catch(() => undefined);
    },
    awaitEnd: () => ended,
  };
}

/** Of the pods with a sidecar. */
export function readProcessIds({ gateway, hello, world, caller, greeters }: DemoCluster): ProcessIds {
  const pods = [gateway, hello, world, caller, ...greeters];
  return Object.fromEntries(pods.map((pod) => [pod.name, pod.processIds().join(" ")]));
}
