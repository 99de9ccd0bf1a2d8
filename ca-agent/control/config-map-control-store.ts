import { pause } from "../../kubernetes/bounded-call.ts";
import { createNamed } from "../../kubernetes/create-named.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import type { Clock, Random } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import type { RandomBytes } from "../x509/certificate.ts";
import { CONTROL_CONFIG_MAP, formatControlConfigMap, readControlConfigMap } from "./control-config-map.ts";
import type { ControlState } from "./control-state.ts";
import { type ControlStore, UPDATE_ATTEMPTS } from "./control-store.ts";
import { laterDocument } from "./parse-control-state.ts";
import { withNextRevision } from "./state-revisions.ts";

export interface ConfigMapControlOptions {
  readonly api: KubernetesApi;
  /** The mesh's root namespace. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly randomBytes: RandomBytes;
  readonly signal: AbortSignal;
}

/** The longest pause between two attempts. */
const PAUSE_MS = 100;

/** The desired state in the ConfigMap `entente-ca`, which the first change creates. */
export function createConfigMapControlStore(options: ConfigMapControlOptions): ControlStore {
  const { api, namespace, clock, random, signal } = options;
  const get = (): Promise<KubernetesObject | undefined> =>
    api.get(KINDS.configMaps, { namespace, name: CONTROL_CONFIG_MAP }, { signal });
  return {
    read: async () => readControlConfigMap(await get()),
    update: async (change) => {
      for (let attempt = 1; attempt <= UPDATE_ATTEMPTS; attempt += 1) {
        const found = await get();
        const before = readControlConfigMap(found);
        const after = change(before);
        if (after === before) return before;
        if (before.laterVersion !== undefined) throw laterDocument(before.laterVersion);
        const stored = await write(options, withNextRevision(before, after, options), found);
        if (stored !== undefined) return readControlConfigMap(stored);
        await pause(clock, random() * PAUSE_MS, signal);
      }
      throw new CaError(
        "control_conflict",
        `ConfigMap ${namespace}/${CONTROL_CONFIG_MAP} was changed by others at each of ${UPDATE_ATTEMPTS} attempts: try again`,
      );
    },
  };
}

/** What is stored; undefined if another writer was faster. */
async function write(
  options: ConfigMapControlOptions,
  state: ControlState,
  before: KubernetesObject | undefined,
): Promise<KubernetesObject | undefined> {
  const { api, namespace, signal } = options;
  const configMap = formatControlConfigMap(namespace, state, before);
  if (before === undefined) return await createNamed(KINDS.configMaps, configMap, options);
  try {
    return await api.replace(KINDS.configMaps, configMap, { signal });
  } catch (caught) {
    // Changed, or deleted, since it was read.
    if (caught instanceof KubernetesApiError && (caught.status === 409 || caught.status === 404)) return undefined;
    throw caught;
  }
}
