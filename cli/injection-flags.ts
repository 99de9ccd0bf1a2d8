import {
  DEFAULT_INJECTION_SETTINGS,
  type InjectionSettings,
  type ProxyResources,
} from "../injector/admission/injection-settings.ts";
import { isQuantity } from "../injector/admission/proxy-container/proxy-resources.ts";
import { parseIpv6Capture } from "../injector/capture/capture-args.ts";
import type { NativeSidecarChoice } from "../injector/cluster/native-sidecars.ts";
import type { OptionTable } from "./command-line/command-description.ts";
import { UsageError } from "./usage-error.ts";

const DEFAULTS = DEFAULT_INJECTION_SETTINGS;

/** The options that `inject` and `injector` share: the settings of injected pods. */
export const INJECTION_FLAGS = {
  image: {
    type: "string",
    value: "IMAGE",
    help: `the image of Entente (${DEFAULTS.image})`,
    heading: "Settings of injected pods",
  },
  "image-pull-policy": {
    type: "string",
    choices: ["Always", "IfNotPresent", "Never"],
    help: "when the kubelet pulls the image",
  },
  "image-pull-secret": { type: "string", multiple: true, value: "NAME", help: "an image pull secret" },
  "ca-address": { type: "string", value: "HOST:PORT", help: `the control plane (${DEFAULTS.caAddress})` },
  "trust-domain": { type: "string", value: "DOMAIN", help: `the mesh's trust domain (${DEFAULTS.trustDomain})` },
  revision: { type: "string", value: "NAME", help: `the injector's revision (${DEFAULTS.revision})` },
  "control-plane-namespace": {
    type: "string",
    value: "NAME",
    help: `the control plane's namespace (${DEFAULTS.controlPlaneNamespace})`,
  },
  "native-sidecar": {
    type: "string",
    choices: ["auto", "on", "off"],
    help: "run the proxy as a restartable init container (auto: if all nodes can, as far as they are known)",
  },
  "mesh-config": {
    type: "string",
    value: "FILE",
    help: "Istio's mesh configuration: the key mesh of the ConfigMap istio",
  },
  "capture-ipv6": {
    type: "string",
    choices: ["auto", "on", "off"],
    help: "whether to capture IPv6 (auto: if the pod has IPv6)",
  },
  "proxy-requests": {
    type: "string",
    value: "AMOUNTS",
    help: "what a proxy's container requests, such as cpu=100m,memory=128Mi",
  },
  "proxy-limits": { type: "string", value: "AMOUNTS", help: "its limits, such as memory=1Gi" },
  "access-log-file": { type: "string", value: "FILE", help: "the proxies' access log, such as /dev/stdout (none)" },
} as const satisfies OptionTable;

export interface InjectionFlagValues {
  readonly image?: string | undefined;
  readonly "image-pull-policy"?: string | undefined;
  readonly "image-pull-secret"?: readonly string[] | undefined;
  readonly "ca-address"?: string | undefined;
  readonly "trust-domain"?: string | undefined;
  readonly revision?: string | undefined;
  readonly "control-plane-namespace"?: string | undefined;
  readonly "native-sidecar"?: string | undefined;
  readonly "mesh-config"?: string | undefined;
  readonly "capture-ipv6"?: string | undefined;
  readonly "proxy-requests"?: string | undefined;
  readonly "proxy-limits"?: string | undefined;
  readonly "access-log-file"?: string | undefined;
}

/**
 * The settings from the options, with Istio's defaults for the rest. Without knowledge of the nodes, `auto` means a
 * regular container, which every node can run.
 */
export function injectionSettings(values: InjectionFlagValues): InjectionSettings {
  return {
    ...DEFAULTS,
    image: values.image ?? DEFAULTS.image,
    imagePullPolicy: parsePullPolicy(values["image-pull-policy"]),
    imagePullSecrets: values["image-pull-secret"] ?? DEFAULTS.imagePullSecrets,
    caAddress: values["ca-address"] ?? DEFAULTS.caAddress,
    trustDomain: values["trust-domain"] ?? DEFAULTS.trustDomain,
    revision: values.revision ?? DEFAULTS.revision,
    controlPlaneNamespace: values["control-plane-namespace"] ?? DEFAULTS.controlPlaneNamespace,
    nativeSidecar: parseNativeSidecar(values["native-sidecar"]) === "on",
    captureIpv6: parseIpv6Capture(values["capture-ipv6"] ?? DEFAULTS.captureIpv6),
    proxyResources: {
      ...DEFAULTS.proxyResources,
      ...parseAmounts("requests", values["proxy-requests"]),
      ...parseAmounts("limits", values["proxy-limits"]),
    },
    accessLogFile: parseLogFile(values["access-log-file"] ?? DEFAULTS.accessLogFile),
  };
}

/** `auto`, `on` or `off`. */
export function parseNativeSidecar(text = "auto"): NativeSidecarChoice {
  if (text === "auto" || text === "on" || text === "off") return text;
  throw new UsageError(`--native-sidecar must be auto, on or off, got "${text}"`);
}

function parsePullPolicy(text: string | undefined): InjectionSettings["imagePullPolicy"] {
  if (text === undefined || text === "Always" || text === "IfNotPresent" || text === "Never") return text;
  throw new UsageError(`--image-pull-policy must be Always, IfNotPresent or Never, got "${text}"`);
}

/** In kubectl's form: `cpu=100m,memory=128Mi`. */
function parseAmounts(part: "requests" | "limits", text: string | undefined): ProxyResources {
  if (text === undefined) return {};
  const amounts = text.split(",").map((amount): readonly [string, string] => {
    const [, name, quantity = ""] = /^(cpu|memory)=(.+)$/.exec(amount) ?? [];
    if (name !== undefined && isQuantity(quantity)) return [name, quantity];
    throw new UsageError(`--proxy-${part} must be amounts such as cpu=100m,memory=128Mi, got "${text}"`);
  });
  return { [part]: Object.fromEntries(amounts) };
}

function parseLogFile(text: string): string {
  if (text === "" || text.startsWith("/")) return text;
  throw new UsageError(`--access-log-file must be a path such as /dev/stdout, got "${text}"`);
}
