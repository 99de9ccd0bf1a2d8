/** For tests: the whole control plane of a cluster, assembled as it ships. */
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../mesh/resources/resource-set-fixture.ts";
import { type Clock, systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { findFreePort } from "../net/free-port-fixture.ts";
import { type IdentityCluster, ROOT_NAMESPACE } from "./identity/cluster-identity-fixture.ts";
import { servingNames } from "./identity/serving-names.ts";
import type { RotationTuning } from "./rotation/start-rotation.ts";
import { fixedSettings } from "./settings/live-settings.ts";
import { type ControlPlaneOptions, startControlPlane } from "./start-control-plane.ts";

const HOUR_MS = 3_600_000;

export interface WholeControlPlaneOptions {
  /** Names its pod. @default "istiod-1" */
  readonly instance?: string;
  /** How long a new root of an operator's own authority is published before it signs. */
  readonly publishMs?: number;
  /** @default an hour */
  readonly maxLifetimeMs?: number;
  /** Of the mesh's own root. */
  readonly rotation?: RotationTuning;
  /** @default TEST_SETTINGS */
  readonly settings?: MeshSettings;
  /** @default the system's */
  readonly clock?: Clock;
}

export interface AssembledControlPlane {
  readonly address: string;
  readonly metricsPort: number;
  readonly log: RecordingLogger;
  /** Resolves when it is ready; its status page responds before. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

export interface StartedControlPlane extends AssembledControlPlane {
  /** As SIGKILL: from now on nothing that it does reaches the API, and its connections end. */
  kill(): Promise<void>;
}

/** The whole control plane of a cluster, assembled as it ships. */
export async function startWholeControlPlane(
  cluster: IdentityCluster,
  cleanup: Cleanup,
  options: WholeControlPlaneOptions = {},
): Promise<StartedControlPlane> {
  const { instance = "istiod-1", publishMs, ...others } = options;
  const api = cluster.server.client(undefined, { ...(options.clock && { clock: options.clock }) });
  const identity = { kind: "kubernetes", api, instance, ...(publishMs !== undefined && { publishMs }) } as const;
  const started = await startAssembled({ ...others, source: { kind: "kubernetes", api, instance }, identity }, cleanup);
  const kill = async (): Promise<void> => {
    await api.close();
    await started.stop();
  };
  return { ...started, kill };
}

type AssembledOptions = Pick<ControlPlaneOptions, "source" | "identity"> &
  Pick<WholeControlPlaneOptions, "maxLifetimeMs" | "rotation" | "settings" | "clock">;

/** The same with any source and identity. */
export async function startAssembled(
  { maxLifetimeMs = HOUR_MS, rotation, settings = TEST_SETTINGS, clock = systemClock, ...parts }: AssembledOptions,
  cleanup: Cleanup,
): Promise<AssembledControlPlane> {
  const signal = new AbortController();
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  const log = new RecordingLogger();
  const started = startControlPlane(
    {
      ...parts,
      ...{ defaultLifetimeMs: maxLifetimeMs, maxLifetimeMs, ...(rotation && { rotation }), port, metricsPort },
      ...{ version: "test", settings: fixedSettings(settings) },
      dnsNames: servingNames(ROOT_NAMESPACE, undefined),
    },
    { clock, random: Math.random, log, signal: signal.signal },
  );
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    signal.abort(new Error("the test is over"));
    await (await started.catch(() => undefined))?.();
  };
  cleanup.add(stop);
  const ready = started.then(() => undefined);
  // A test that ends before is no failure.
  ready.catch(() => undefined);
  return { address: `localhost:${port}`, metricsPort, ready, log, stop };
}
