import { InjectorError } from "../injector-error.ts";
import { parseBoolean, readAnnotation } from "./capture-annotations.ts";
import type { InjectionSettings } from "./injection-settings.ts";
import {
  EMPTY_PROXY_CONFIG,
  mergeProxyConfig,
  type ProxyConfig,
  parseProxyConfigText,
} from "./mesh-config/proxy-config.ts";
import { annotationsOf, type Pod, SIDECAR_NAME } from "./pod.ts";
import { repositoryOf } from "./pod-security/proxy-id.ts";

/** The settings for one pod: the mesh's, changed by the pod's annotations. */
export interface PodSettings {
  readonly image: string;
  readonly proxy: ProxyConfig;
  /** Whether the proxy runs as a restartable init container. */
  readonly isNative: boolean;
  /** Whether the application's probes and hooks are redirected to the proxy. */
  readonly redirectsProbes: boolean;
  /** About annotations that are only partly in force. */
  readonly warnings: readonly string[];
}

const CONFIG = "proxy.istio.io/config";
const IMAGE = "sidecar.istio.io/proxyImage";
const TEMPLATES = "inject.istio.io/templates";
const STATUS_PORT = "status.sidecar.istio.io/port";

/**
 * Reads the annotations by which a pod changes its proxy.
 * @throws InjectorError `invalid_annotation`; the message names the annotation
 */
export function podSettings(pod: Pod, settings: InjectionSettings): PodSettings {
  refuseTemplates(pod);
  const image = readImage(pod, settings);
  const config = readConfig(pod);
  const proxy = mergeProxyConfig(config.proxy, settings.proxy);
  return {
    image: image.image,
    proxy,
    // If the proxy is the pod's only container, it stays a regular one: Kubernetes refuses a pod without containers.
    isNative:
      readFlag(pod, "sidecar.istio.io/nativeSidecar", settings.nativeSidecar) &&
      pod.spec.containers.some(({ name }) => name !== SIDECAR_NAME),
    redirectsProbes: readFlag(pod, "sidecar.istio.io/rewriteAppHTTPProbers", true) && readStatusPort(pod) !== "0",
    warnings: [...image.warnings, ...config.warnings, ...drainWarnings(pod, proxy)],
  };
}

function readFlag(pod: Pod, name: string, otherwise: boolean): boolean {
  return readAnnotation({ annotations: annotationsOf(pod), name, parse: parseBoolean, otherwise });
}

/** The injector has one template. Istio fails a pod that asks for one that does not exist. */
function refuseTemplates(pod: Pod): void {
  const parse = (text: string) => {
    if (text.split(",").every((name) => name.trim() === "sidecar")) return;
    throw new InjectorError(
      "invalid_annotation",
      `"${text}" names a template that the injector does not have; only sidecar exists`,
    );
  };
  readAnnotation({ annotations: annotationsOf(pod), name: TEMPLATES, parse, otherwise: undefined });
}

/** An image reference: registry, path, tag and digest. */
const IMAGE_REFERENCE =
  /^(?:[A-Za-z0-9.-]+(?::\d{1,5})?\/)?[a-z0-9._-]+(?:\/[a-z0-9._-]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/**
 * A pod may run another version of the mesh's image, not another image: that would be another program with the proxy's
 * user, outside of the capture.
 */
function readImage(pod: Pod, settings: InjectionSettings): { image: string; warnings: readonly string[] } {
  const parse = (text: string) => {
    if (IMAGE_REFERENCE.test(text)) return text;
    throw new InjectorError("invalid_annotation", `"${text}" is not an image reference such as ${settings.image}`);
  };
  const image = readAnnotation({ annotations: annotationsOf(pod), name: IMAGE, parse, otherwise: settings.image });
  if (repositoryOf(image) === repositoryOf(settings.image)) return { image, warnings: [] };
  const warning = `the annotation ${IMAGE} names ${image}, which is not a version of ${repositoryOf(settings.image)}; the proxy runs ${settings.image}`;
  return { image: settings.image, warnings: [warning] };
}

function readConfig(pod: Pod): { proxy: ProxyConfig; warnings: readonly string[] } {
  const { config, unsupported } = readAnnotation({
    annotations: annotationsOf(pod),
    name: CONFIG,
    parse: parseProxyConfigText,
    otherwise: { config: EMPTY_PROXY_CONFIG, unsupported: [] },
  });
  // The control plane is the mesh's choice: it decides what the pod may connect to.
  const { controlPlaneAddress, ...proxy } = config;
  const fields = [...(controlPlaneAddress === undefined ? [] : ["discoveryAddress"]), ...unsupported];
  return {
    proxy,
    warnings: fields.map((field) => `the annotation ${CONFIG}: ${field} is not supported and has no effect`),
  };
}

function readStatusPort(pod: Pod): string {
  const parse = (text: string) => {
    if (text === "15020" || text === "0") return text;
    throw new InjectorError(
      "invalid_annotation",
      `"${text}" is not supported; the proxy's port is 15020, and 0 switches the probes off`,
    );
  };
  return readAnnotation({ annotations: annotationsOf(pod), name: STATUS_PORT, parse, otherwise: "15020" });
}

/** Kubernetes' default of `terminationGracePeriodSeconds`. */
const DEFAULT_GRACE_S = 30;

function drainWarnings({ spec }: Pod, { drainS }: ProxyConfig): readonly string[] {
  const graceS = spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_S;
  if (drainS === undefined || drainS < graceS) return [];
  return [
    `terminationDrainDuration is ${drainS}s, but the pod is killed after its terminationGracePeriodSeconds, ${graceS}`,
  ];
}
