import { MeshError } from "../../mesh/mesh-error.ts";
import { InjectorError } from "../injector-error.ts";
import { captureFromAnnotations, parseBoolean, readAnnotation } from "./capture-annotations.ts";
import type { InjectionSettings } from "./injection-settings.ts";
import {
  annotationsOf,
  type Container,
  type EnvVar,
  INIT_NAME,
  isInjected,
  type Pod,
  SIDECAR_NAME,
  type Volume,
} from "./pod.ts";
import { injectedMetadata, originalScrape } from "./pod-metadata.ts";
import { warningsFor } from "./pod-security/pod-warnings.ts";
import { findProxyIdUse } from "./pod-security/proxy-id.ts";
import { PROBERS_ENV, parseProbers, probesSwitchedOff, rewriteProbes } from "./proxy-container/app-probes.ts";
import { initContainer } from "./proxy-container/init-container.ts";
import { findProxyTakeover } from "./proxy-container/proxy-additions.ts";
import { SIDECAR_MOUNTS, sidecarContainer } from "./proxy-container/sidecar-container.ts";
import { type WorkloadOwner, workloadOwner } from "./workload-owner.ts";

export interface InjectionContext {
  readonly settings: InjectionSettings;
  readonly namespace: string;
  /** Set if the owner is known from the manifest: the Deployment that contains this template. */
  readonly owner?: WorkloadOwner;
}

export type InjectionOutcome =
  | { readonly kind: "injected"; readonly pod: Pod; readonly warnings: readonly string[] }
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly message: string };

export type RefusalReason = "proxy_id_in_use" | "proxy_takeover" | "invalid_annotation";

/**
 * Adds the sidecar to a pod. An existing sidecar is recognised by its containers, never by the status annotation, which
 * any user can write. Injecting twice therefore gives the same pod, and a partly injected pod is completed.
 */
export function injectPod(pod: Pod, context: InjectionContext): InjectionOutcome {
  const misuse = findProxyIdUse(pod, context.settings.image);
  if (misuse !== undefined) return { kind: "refused", reason: "proxy_id_in_use", message: misuse };
  const takeover = findProxyTakeover(pod);
  if (takeover !== undefined) return { kind: "refused", reason: "proxy_takeover", message: takeover };
  try {
    return assemble(pod, context);
  } catch (caught) {
    const error = MeshError.from(caught);
    if (error.code !== "invalid_annotation") throw caught;
    return { kind: "refused", reason: "invalid_annotation", message: error.message };
  }
}

function assemble(pod: Pod, { settings, namespace, owner = workloadOwner(pod) }: InjectionContext): InjectionOutcome {
  const annotations = annotationsOf(pod);
  // If the proxy is the pod's only container, it stays a regular one: Kubernetes refuses a pod without containers.
  const isNative =
    readFlag(pod, "sidecar.istio.io/nativeSidecar", settings.nativeSidecar) &&
    pod.spec.containers.some(({ name }) => name !== SIDECAR_NAME);
  const capture = captureFromAnnotations(annotations, settings.captureIpv6);
  const init = capture && initContainer(pod, settings, capture);
  const probes = rewriteWantedProbes(pod);
  const existing = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(
    ({ name }) => name === SIDECAR_NAME,
  );
  const sidecar = sidecarContainer({
    pod,
    settings,
    namespace,
    owner,
    existing,
    isNative,
    isCaptured: init !== undefined,
    hasProbes: !probesSwitchedOff(pod),
    env: extraEnv(pod, existing, probes.probers),
  });
  const injected = {
    ...pod,
    spec: { ...probes.pod.spec, ...placeContainers(probes.pod, sidecar, init, isNative), ...sharedSpec(pod, settings) },
  };
  const status = statusOf(init, isNative, settings);
  const metadata = injectedMetadata({ pod, settings, owner, status });
  const warnings = [...warningsFor(pod), ...probes.warnings, ...replacedImage(existing, settings)];
  return { kind: "injected", pod: { ...injected, metadata }, warnings };
}

function rewriteWantedProbes(pod: Pod) {
  const isWanted = readFlag(pod, "sidecar.istio.io/rewriteAppHTTPProbers", true);
  const port = annotationsOf(pod)["status.sidecar.istio.io/port"] ?? "15020";
  if (port !== "15020" && port !== "0") {
    throw new InjectorError(
      "invalid_annotation",
      `the annotation status.sidecar.istio.io/port is "${port}"; the proxy's port is 15020, and 0 switches the probes off`,
    );
  }
  return isWanted && port !== "0" ? rewriteProbes(pod) : { pod, probers: {}, warnings: [] };
}

function readFlag(pod: Pod, name: string, otherwise: boolean): boolean {
  return readAnnotation({ annotations: annotationsOf(pod), name, parse: parseBoolean, otherwise });
}

/** Probes that an earlier injection rewrote exist only in its proxy's environment. */
function extraEnv(
  pod: Pod,
  existing: Container | undefined,
  probers: Readonly<Record<string, unknown>>,
): readonly EnvVar[] {
  const earlier = parseProbers(existing?.env?.find(({ name }) => name === PROBERS_ENV)?.value);
  const all = { ...earlier, ...probers };
  const scrape = originalScrape(pod);
  return [
    ...(Object.keys(all).length === 0 ? [] : [{ name: PROBERS_ENV, value: JSON.stringify(all) }]),
    ...(scrape === undefined ? [] : [scrape]),
  ];
}

/**
 * A native sidecar comes first among the init containers, so that the others have a network. A regular one comes last
 * among the containers, and istio-init last among the init containers, so that the earlier ones run without capture.
 * This is Istio's order.
 */
function placeContainers(pod: Pod, sidecar: Container, init: Container | undefined, isNative: boolean) {
  const inits = (pod.spec.initContainers ?? []).filter(({ name }) => !isInjected(name));
  const containers = pod.spec.containers.filter(({ name }) => name !== SIDECAR_NAME);
  const rules = init === undefined ? [] : [init];
  if (isNative) return { initContainers: [...rules, sidecar, ...inits], containers };
  const initContainers = [...inits, ...rules];
  const hasList = initContainers.length > 0 || pod.spec.initContainers !== undefined;
  return { ...(hasList && { initContainers }), containers: [...containers, sidecar] };
}

const TOKEN_LIFETIME_S = 43_200;

const VOLUMES: readonly Volume[] = [
  {
    name: "istio-token",
    projected: {
      sources: [
        { serviceAccountToken: { path: "istio-token", expirationSeconds: TOKEN_LIFETIME_S, audience: "istio-ca" } },
      ],
    },
  },
  { name: "istiod-ca-cert", configMap: { name: "istio-ca-root-cert" } },
];

/** Volumes with our names are replaced; an image pull secret that the pod already has is not added again. */
function sharedSpec(pod: Pod, settings: InjectionSettings) {
  const names = new Set(VOLUMES.map(({ name }) => name));
  const secrets = pod.spec.imagePullSecrets ?? [];
  const missing = settings.imagePullSecrets.filter((name) => !secrets.some((secret) => secret.name === name));
  return {
    volumes: [...(pod.spec.volumes ?? []).filter(({ name }) => !names.has(name)), ...VOLUMES],
    ...(missing.length > 0 && { imagePullSecrets: [...secrets, ...missing.map((name) => ({ name }))] }),
  };
}

function statusOf(init: Container | undefined, isNative: boolean, settings: InjectionSettings) {
  const rules = init === undefined ? [] : [INIT_NAME];
  return {
    initContainers: isNative ? [...rules, SIDECAR_NAME] : rules,
    containers: isNative ? [] : [SIDECAR_NAME],
    volumes: SIDECAR_MOUNTS.map(({ name }) => name),
    imagePullSecrets: settings.imagePullSecrets,
  };
}

function replacedImage(existing: Container | undefined, settings: InjectionSettings): readonly string[] {
  const image = existing?.image;
  if (image === undefined || image === null || image === "auto" || image === settings.image) return [];
  return [`the container ${SIDECAR_NAME} names the image ${image}; it is replaced by ${settings.image}`];
}
