import type { ConfigSource, SourceStatus } from "../discovery/config-source.ts";
import { startFolderSource } from "../discovery/folder/folder-source.ts";
import { InvalidObjectReporter, type UnwrittenReport } from "../discovery/kubernetes/invalid-object-reporter.ts";
import { startKubernetesSource } from "../discovery/kubernetes/kubernetes-source.ts";
import type { KubernetesApi } from "../kubernetes/kubernetes-api.ts";
import type { Clock, Logger, Random } from "../mesh/runtime.ts";

/** Where the configuration comes from. */
export type SourceOptions =
  /** Watched folders of Kubernetes YAML; later ones take precedence. */
  | { readonly kind: "folders"; readonly folders: readonly string[] }
  /** `instance` names this process in Events: its pod. */
  | { readonly kind: "kubernetes"; readonly api: KubernetesApi; readonly instance: string };

export interface SourceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Receives the status while the first state is read, too. */
  readonly onStatus: (status: SourceStatus) => void;
  /** Counts what could not be written about invalid objects. */
  readonly onUnwritten?: (why: UnwrittenReport) => void;
  readonly signal: AbortSignal;
}

/** Resolves once there is a configuration: with the Kubernetes API, when that has responded for every kind. */
export async function startSource(options: SourceOptions, deps: SourceDeps): Promise<ConfigSource> {
  if (options.kind === "folders") return await startFolderSource({ folders: options.folders, ...deps });
  const reporter = new InvalidObjectReporter({ ...options, ...deps });
  return await startKubernetesSource({
    api: options.api,
    ...deps,
    onObject: (kind, object) => reporter.note(kind, object),
  });
}
