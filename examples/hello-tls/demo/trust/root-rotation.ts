import type { Traffic, TrafficCount } from "../checks/traffic.ts";
import type { DemoCluster } from "../demo-cluster.ts";
import { scaleLimit } from "../demo-pace.ts";
import type { CommandResult } from "../pods/demo-pod.ts";
import { type Polled, pollUntil } from "../poll-until.ts";
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
      /** Before the request. */
      readonly before: MeshState;
      /** Before the new root has signed anything. */
      readonly published: Polled<ShownAuthority | undefined>;
    };

export interface MeshState {
  readonly authority: ShownAuthority | undefined;
  readonly traffic: TrafficCount;
  readonly processIds: ProcessIds;
}

/** By the pod's name: the ids of its processes. */
export type ProcessIds = Readonly<Record<string, string>>;

interface Surroundings {
  readonly cluster: DemoCluster;
  readonly traffic: Traffic;
  readonly signal: AbortSignal;
}

/** Longer than all phases with the demo's certificates, which last seconds. */
const LIMIT_MS = 150_000;
/** The phase lasts as long as the demo's certificates; the request comes a little later than the first look. */
const PUBLISHED_MS = 30_000;

/** A rotation that can be requested once. */
export function createRootRotation({ cluster, traffic, signal }: Surroundings): RootRotation {
  let ended: Promise<Rotated> = Promise.resolve({ kind: "not_requested" });
  return {
    request: async () => {
      const authority = await readAuthority(cluster, signal);
      ended = rotate({ cluster, signal }, { authority, traffic: traffic.count(), processIds: readProcessIds(cluster) });
      // A fault is reported when the end is awaited; until then it must not end the process.
      ended.catch(() => undefined);
    },
    awaitEnd: () => ended,
  };
}

async function rotate({ cluster, signal }: Omit<Surroundings, "traffic">, before: MeshState): Promise<Rotated> {
  const startedMs = performance.now();
  const old = before.authority?.roots[0]?.fingerprint;
  const limit = `${Math.ceil(scaleLimit(LIMIT_MS, cluster.pace) / 1000)}s`;
  const [command, published] = await Promise.all([
    cluster.ca(["rotate-root", "--wait", "--timeout", limit], signal),
    pollUntil(
      () => readAuthority(cluster, signal),
      (authority) => authority !== undefined && isPublished(authority, old),
      { everyMs: 500, timeoutMs: scaleLimit(PUBLISHED_MS, cluster.pace), signal },
    ),
  ]);
  return { kind: "ended", command, published, elapsedMs: performance.now() - startedMs, before };
}

/** Both roots are trusted everywhere, and the one from before the request still signs. */
function isPublished({ connected, roots }: ShownAuthority, old: string | undefined): boolean {
  const [signing, ...others] = roots.toSorted((one, other) => Number(other.isSigning) - Number(one.isSigning));
  const isTrusted = roots.every(({ trustedBy }) => connected > 0 && trustedBy === connected);
  return (
    isTrusted &&
    signing?.fingerprint === old &&
    others.length === 1 &&
    others[0]?.isSigning === false &&
    signing?.certificates === connected
  );
}

/** Of the pods with a sidecar. */
export function readProcessIds({ gateway, hello, world, caller, greeters }: DemoCluster): ProcessIds {
  const pods = [gateway, hello, world, caller, ...greeters];
  return Object.fromEntries(pods.map((pod) => [pod.name, pod.processIds().join(" ")]));
}
