import { pause } from "../../kubernetes/bounded-call.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { withoutManagedFields } from "../../kubernetes/reflector/object-store.ts";
import { startReflector } from "../../kubernetes/reflector/reflector.ts";
import type { ReflectorStatus } from "../../kubernetes/reflector/reflector-status.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { type ConfigMapControlOptions, createConfigMapControlStore } from "./config-map-control-store.ts";
import { CONTROL_CONFIG_MAP, readControlConfigMap } from "./control-config-map.ts";
import type { ControlFollower } from "./control-store.ts";
import { type FoundState, LiveControl, restoreChange } from "./live-control.ts";

export interface FollowConfigMapControlOptions extends ConfigMapControlOptions {
  readonly log: Logger;
  /** Called with the reason while there is no valid state yet. */
  readonly onWaiting: (reason: string) => void;
}

/** In which time the replicas store a deleted or outdated state again, and when they look whether one of them could. */
const RESTORE_MS = 1000;
const RETRY_MS = 5000;

/**
 * Follows the ConfigMap `entente-ca` until the signal aborts. Resolves once the API has shown that there is none, or a
 * valid one; until then the control plane must not serve.
 */
export async function followConfigMapControl(options: FollowConfigMapControlOptions): Promise<ControlFollower> {
  const { namespace, clock, random, signal, log, onWaiting } = options;
  const store = createConfigMapControlStore(options);
  const live = new LiveControl({
    clock,
    log,
    onWaiting,
    restore: async (state) => {
      // Another replica may be faster.
      await pause(clock, random() * RESTORE_MS, signal);
      clock.setTimeout(check, RETRY_MS);
      await store.update(restoreChange(state, clock));
    },
  });
  let work: Promise<void> = Promise.resolve();
  /** One at a time; each looks at the newest state. */
  const check = (): void => {
    work = work.then(async () => {
      const [configMap] = reflector.objects.values();
      if (reflector.hasSynced && !signal.aborted) await live.take(foundIn(configMap));
    });
  };
  const reflector = startReflector(options, {
    selection: { kind: KINDS.configMaps, namespace, fieldSelector: `metadata.name=${CONTROL_CONFIG_MAP}` },
    transform: withoutManagedFields,
    onChanges: check,
    onStatus: (status) => {
      const reason = describeStatus(status);
      if (reason !== undefined && !reflector.hasSynced) onWaiting(reason);
    },
    signal,
  });
  void reflector.synced.then(check);
  await live.opened(signal);
  return live;
}

function foundIn(configMap: KubernetesObject | undefined): FoundState {
  if (configMap === undefined) return { kind: "absent" };
  try {
    return { kind: "state", state: readControlConfigMap(configMap) };
  } catch (caught) {
    return { kind: "unreadable", error: MeshError.from(caught) };
  }
}

function describeStatus(status: ReflectorStatus): string | undefined {
  switch (status.kind) {
    case "stale":
      return `ConfigMap ${CONTROL_CONFIG_MAP} cannot be read: ${status.why}`;
    case "forbidden":
      return `ConfigMap ${CONTROL_CONFIG_MAP} may not be read: grant "${status.missingRight}" (entente install does)`;
    case "starting":
    case "current":
    case "absent":
      return undefined;
  }
}
