import { pause } from "../../kubernetes/bounded-call.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { Confirmation } from "../../kubernetes/reflector/confirmation.ts";
import { withoutManagedFields } from "../../kubernetes/reflector/object-store.ts";
import { startReflector } from "../../kubernetes/reflector/reflector.ts";
import type { ReflectorStatus } from "../../kubernetes/reflector/reflector-status.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { digestContent, type SourceReading } from "../../mesh/policy/authentication/trust-readings.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { rememberLast } from "../../net/remember-last.ts";
import { type ConfigMapControlOptions, createConfigMapControlStore } from "./config-map-control-store.ts";
import { CONTROL_CONFIG_MAP, readControlConfigMap } from "./control-config-map.ts";
import { type ControlState, EMPTY_CONTROL_STATE } from "./control-state.ts";
import type { ControlFollower } from "./control-store.ts";
import {
  type FoundState,
  foundState,
  LiveControl,
  renumberChange,
  reportUnnumbered,
  restoreChange,
} from "./live-control.ts";
import { isSameState } from "./state-revisions.ts";
import { WriteBack } from "./write-back.ts";

export interface FollowConfigMapControlOptions extends ConfigMapControlOptions {
  readonly log: Logger;
  /** The mesh's own and its aliases. */
  readonly trustDomains: readonly TrustDomain[];
  /** Called with the reason while there is no valid state yet. */
  readonly onWaiting: (reason: string) => void;
}

/** In which time the replicas give an edited state a revision: one of them is the fastest. */
const RENUMBER_MS = 1000;

/** One that knows how old its state is. */
export interface ConfigMapFollower extends ControlFollower {
  /** The revocations in force, and how long ago they were last known to be what is stored. */
  reading(): SourceReading;
}

/**
 * Follows the ConfigMap `entente-ca` until the signal aborts. Resolves once the API has shown that there is none, or a
 * valid one; until then the control plane must not serve.
 */
export async function followConfigMapControl(options: FollowConfigMapControlOptions): Promise<ConfigMapFollower> {
  const { namespace, clock, random, signal, log, trustDomains, onWaiting } = options;
  const store = createConfigMapControlStore(options);
  const live = new LiveControl({
    ...{ clock, log, trustDomains, onWaiting },
    renumber: async (edited) => {
      const renumbered = pause(clock, random() * RENUMBER_MS, signal).then(() => store.update(renumberChange(edited)));
      await renumbered.catch(reportUnnumbered(options));
    },
    writeBack: new WriteBack({
      ...options,
      write: () => store.update(restoreChange(live.current(), options)),
      onFailed: (caught) => {
        live.reportUnstored(caught);
        check();
      },
    }),
  });
  let work: Promise<void> = Promise.resolve();
  let [isKnown, isInForce] = [false, false];
  /** Each looks at the newest state. */
  const check = (): void => {
    confirmation.begin();
    work = work
      .then(() => {
        const [configMap] = reflector.objects.values();
        if (!reflector.hasSynced || signal.aborted) return;
        const found = foundIn(configMap, trustDomains);
        live.take(found);
        isInForce = isWhatWasFound(found, live);
        isKnown ||= isInForce;
      })
      .finally(() => confirmation.end());
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
  const digestOf = rememberLast((revocations: ControlState["revocations"]) => digestContent(revocations));
  const confirmation = new Confirmation({
    digest: () => (isKnown ? digestOf(live.current().revocations) : ""),
    isInForce: () => isInForce,
    reflector,
    clock,
  });
  void reflector.synced.then(check);
  await live.opened(signal);
  return {
    current: () => live.current(),
    subscribe: (listener) => live.subscribe(listener),
    fault: () => live.fault(),
    reading: () => ({ ...confirmation.read(), revisions: live.current().revisions ?? [] }),
  };
}

/** A state that cannot be read, was deleted, or is not taken for another reason, leaves another one in force. */
function isWhatWasFound(found: FoundState, live: LiveControl): boolean {
  if (found.kind === "unreadable") return false;
  const state = found.kind === "state" ? found.state : EMPTY_CONTROL_STATE;
  return isSameState(state, live.current());
}

function foundIn(configMap: KubernetesObject | undefined, trustDomains: readonly TrustDomain[]): FoundState {
  if (configMap === undefined) return { kind: "absent" };
  try {
    return foundState(readControlConfigMap(configMap), trustDomains);
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
