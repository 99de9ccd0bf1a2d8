import { MeshError } from "../../mesh/mesh-error.ts";
import { captureFromAnnotations } from "./capture-annotations.ts";
import type { InjectionSettings } from "./injection-settings.ts";
import { DRAIN_SECONDS, type ProxyConfig } from "./mesh-config/proxy-config.ts";
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
import { injectedMetadata, originalScrape, scrapeWarnings } from "./pod-metadata.ts";
import { warningsFor } from "./pod-security/pod-warnings.ts";
import { findProxyIdUse } from "./pod-security/proxy-id.ts";
import { type PodSettings, podSettings } from "./pod-settings.ts";
import {
  needsProxyAtStart,
  PROBERS_ENV,
  parseProbers,
  probesSwitchedOff,
  rewriteProbes,
} from "./proxy-container/app-probes.ts";
import { initContainer } from "./proxy-container/init-container.ts";
import { findProxyTakeover } from "./proxy-container/proxy-additions.ts";
import type { ProxyHooks } from "./proxy-container/proxy-hooks.ts";
import { SIDECAR_MOUNTS, sidecarContainer } from "./proxy-container/sidecar-container.ts";
import { type WorkloadOwner, workloadOwner } from "./workload-owner.ts";

export interface InjectionContext {
  readonly settings: InjectionSettings;
  readonly namespace: string;
  /** Makes 32 random hexadecimal digits; see `rewriteProbes`. */
  readonly createToken: () => string;
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
    const { code, message } = MeshError.from(caught);
    if (code !== "invalid_annotation") throw caught;
    return { kind: "refused", reason: "invalid_annotation", message: message.slice(`${code}: `.length) };
  }
}

function assemble(pod: Pod, context: InjectionContext): InjectionOutcome {
  const { namespace, owner = workloadOwner(pod), createToken } = context;
  const own = podSettings(pod, context.settings);
  const caAddress = own.proxy.controlPlaneAddress ?? context.settings.caAddress;
  const settings = { ...context.settings, image: own.image, caAddress };
  const capture = captureFromAnnotations(annotationsOf(pod), settings.captureIpv6);
  const init = capture && initContainer(pod, settings, capture);
  const probes = own.redirectsProbes ? rewriteProbes(pod, createToken) : { pod, probers: {}, warnings: [] };
  const existing = findSidecar(pod);
  const hooks = hooksOf(probes.pod, own);
  const sidecar = sidecarContainer({
    ...{ pod, settings, namespace, owner, existing, hooks },
    isCaptured: init !== undefined,
    env: [...extraEnv(pod, settings, { existing, probers: probes.probers }), ...proxyEnv(pod, own.proxy)],
  });
  const spec = {
    ...probes.pod.spec,
    ...placeContainers(probes.pod, { sidecar, init, hooks }),
    ...sharedSpec(pod, settings),
  };
  const status = statusOf(init, own.isNative, settings);
  const metadata = injectedMetadata({ pod, settings, owner, status });
  const warnings = [
    ...warningsFor(pod, { ...own, owner, capture: capture?.options }),
    ...own.warnings,
    ...probes.warnings,
    ...scrapeWarnings(pod),
    ...replacedImage(existing, settings),
  ];
  return { kind: "injected", pod: { ...pod, spec, metadata }, warnings };
}

/** From an earlier injection, or with the pod's own additions. */
function findSidecar({ spec }: Pod): Container | undefined {
  return [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === SIDECAR_NAME);
}

/** @param pod with its probes and hooks redirected */
function hooksOf(pod: Pod, { proxy, isNative }: PodSettings): ProxyHooks {
  return {
    isNative,
    holdsApplication: proxy.holdApplication === true || needsProxyAtStart(pod),
    hasProbes: !probesSwitchedOff(pod),
  };
}

/** Probes that an earlier injection rewrote exist only in its proxy's environment. */
function extraEnv(
  pod: Pod,
  settings: InjectionSettings,
  { existing, probers }: { existing: Container | undefined; probers: Readonly<Record<string, unknown>> },
): readonly EnvVar[] {
  const earlier = parseProbers(existing?.env?.find(({ name }) => name === PROBERS_ENV)?.value);
  const all = { ...earlier, ...probers };
  const scrape = originalScrape(pod, settings);
  return [
    ...(Object.keys(all).length === 0 ? [] : [{ name: PROBERS_ENV, value: JSON.stringify(all) }]),
    ...(scrape === undefined ? [] : [scrape]),
  ];
}

/** Time to spare between the proxy's last cut and the kubelet's SIGKILL. */
const KILL_MARGIN_S = 5;

/** What the ProxyConfig sets in the environment. The drain's deadline follows from the pod's grace period. */
function proxyEnv({ spec }: Pod, { drainS, environment }: ProxyConfig): readonly EnvVar[] {
  const graceS = spec.terminationGracePeriodSeconds;
  const deadline = graceS ? { ENTENTE_DRAIN_DEADLINE_SECONDS: String(Math.max(1, graceS - KILL_MARGIN_S)) } : {};
  const drain = drainS === undefined ? {} : { [DRAIN_SECONDS]: String(drainS) };
  return Object.entries({ ...deadline, ...drain, ...environment }).map(([name, value]) => ({ name, value }));
}

interface Placement {
  readonly sidecar: Container;
  readonly init: Container | undefined;
  readonly hooks: ProxyHooks;
}

/**
 * A native sidecar comes first among the init containers, so that the others have a network. A regular one comes last
 * among the containers, or first if the application has to wait for it, and istio-init last among the init containers,
 * so that the earlier ones run without capture. This is Istio's order.
 */
function placeContainers(pod: Pod, { sidecar, init, hooks }: Placement) {
  const inits = (pod.spec.initContainers ?? []).filter(({ name }) => !isInjected(name));
  const containers = pod.spec.containers.filter(({ name }) => name !== SIDECAR_NAME);
  const rules = init === undefined ? [] : [init];
  if (hooks.isNative) return { initContainers: [...rules, sidecar, ...inits], containers };
  const initContainers = [...inits, ...rules];
  const hasList = initContainers.length > 0 || pod.spec.initContainers !== undefined;
  const all = hooks.holdsApplication ? [sidecar, ...containers] : [...containers, sidecar];
  return { ...(hasList && { initContainers }), containers: all };
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
