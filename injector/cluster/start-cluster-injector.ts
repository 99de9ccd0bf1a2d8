import { startKubernetesSource } from "../../discovery/kubernetes/kubernetes-source.ts";
import type { KubernetesApi, ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import type { InjectionSettings } from "../admission/injection-settings.ts";
import { createHookToken } from "../hook-token.ts";
import type { ChangingValue } from "../polled-value.ts";
import { startWebhookServer, type WebhookLimits, type WebhookServer } from "../serving/webhook-server.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { identityNames } from "./identity-names.ts";
import { eventOf } from "./injection-event.ts";
import { chooseNativeSidecars, type NativeSidecarChoice } from "./native-sidecars.ts";
import { followOwnImage, type ImageSource } from "./own-image.ts";
import { createResourceAnalysis } from "./resource-analysis.ts";
import { startWebhookIdentity } from "./webhook-identity.ts";

export interface ClusterInjectorOptions {
  readonly api: KubernetesApi;
  readonly settings: ChangingValue<InjectionSettings>;
  readonly nativeSidecars: NativeSidecarChoice;
  /** The pod of this process, from which injected pods have their image. @default the settings' image */
  readonly ownPod?: ObjectName;
  /** This process in Events, such as the pod's name. */
  readonly instance: string;
  /** @default every address */
  readonly host?: string;
  readonly port?: number;
  readonly limits?: Partial<WebhookLimits>;
}

export interface ClusterInjectorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * The webhook as a part of the cluster: it makes its certificate, keeps the webhook configurations' caBundle current,
 * and records Events. Listens at once, whatever the API does, and is ready when it knows how to inject and API servers
 * can verify its certificate.
 */
export async function startClusterInjector(
  options: ClusterInjectorOptions,
  deps: ClusterInjectorDeps,
): Promise<WebhookServer> {
  const { api, settings, instance, host, port, limits } = options;
  const settingsNow = settingsOf(options, deps);
  const identity = startWebhookIdentity({ ...deps, api, names: identityNames(settings.current()) });
  const analysis = startAnalysis({ ...deps, api, rootNamespace: settings.current().controlPlaneNamespace });
  const events = createEventRecorder({ ...deps, api, instance, createToken: createHookToken });
  const server = await startWebhookServer({
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(limits !== undefined && { limits }),
    certificate: identity,
    settings: settingsNow,
    findUnreadiness: () => {
      if (settingsNow() === undefined) return "the nodes or the own image are not known yet";
      return identity.isTrusted() ? undefined : "the webhook configurations have no caBundle yet";
    },
    analyze: (resource) => analysis(resource),
    onReviewed: (review, client) => {
      const event = eventOf(review);
      if (event !== undefined) events.record(event, client);
    },
    clock: deps.clock,
    log: deps.log,
  });
  return {
    port: server.port,
    stop: async (lingerMs = LINGER_MS) => {
      await server.stop(lingerMs);
      identity.stop();
      settings.stop();
    },
  };
}

/** How pods are injected now; undefined until the nodes and the own image are known. */
function settingsOf(
  { api, settings, nativeSidecars, ownPod }: ClusterInjectorOptions,
  deps: ClusterInjectorDeps,
): () => InjectionSettings | undefined {
  const supportsNative = chooseNativeSidecars(nativeSidecars, { ...deps, api });
  const ownImage = ownPod && followOwnImage(ownPod, { ...deps, api });
  return () => {
    const nativeSidecar = supportsNative();
    const own = ownImage?.();
    if (nativeSidecar === undefined || (ownImage !== undefined && own === undefined)) return undefined;
    const current = settings.current();
    return { ...current, ...(own && imageSettings(current, own)), nativeSidecar };
  };
}

/** The own pod's image; what the settings say about pulling it overrides how the own pod's was pulled. */
function imageSettings({ imagePullPolicy, imagePullSecrets }: InjectionSettings, own: ImageSource): ImageSource {
  return {
    image: own.image,
    imagePullPolicy: imagePullPolicy ?? own.imagePullPolicy,
    imagePullSecrets: imagePullSecrets.length > 0 ? imagePullSecrets : own.imagePullSecrets,
  };
}

/** Until every API server has noticed that this replica is not ready any more. */
const LINGER_MS = 6_000;

interface AnalysisDeps extends ClusterInjectorDeps {
  readonly api: KubernetesApi;
  readonly rootNamespace: string;
}

/** The analysis of resources, which finds nothing until the whole configuration is known. */
function startAnalysis({ rootNamespace, ...deps }: AnalysisDeps): (resource: Resource) => readonly string[] {
  const { clock, log, signal } = deps;
  let analyze: (resource: Resource) => readonly string[] = () => [];
  startKubernetesSource({ ...deps, log: quieted(log) })
    .then((source) => {
      const settings = { rootNamespace, clusterDomain: "cluster.local" };
      analyze = createResourceAnalysis({ source, settings, clock });
    })
    .catch((caught: unknown) => {
      if (!signal.aborted) log.error({ code: MeshError.from(caught).code }, "resources are not analysed");
    });
  return (resource) => analyze(resource);
}

/** The control plane reports what changes in the configuration, and what is invalid. */
function quieted(log: Logger): Logger {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.debug(fields, message),
    warn: (fields, message) => log.debug(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: (fields) => quieted(log.child(fields)),
  };
}
