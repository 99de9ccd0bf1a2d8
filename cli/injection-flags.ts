import { DEFAULT_INJECTION_SETTINGS, type InjectionSettings } from "../injector/admission/injection-settings.ts";
import { parseIpv6Capture } from "../injector/capture/capture-args.ts";
import { UsageError } from "./usage-error.ts";

/** The options that `inject` and `injector` share: the settings of injected pods. */
export const INJECTION_FLAGS = {
  image: { type: "string" },
  "image-pull-policy": { type: "string" },
  "image-pull-secret": { type: "string", multiple: true },
  "ca-address": { type: "string" },
  "trust-domain": { type: "string" },
  revision: { type: "string" },
  "control-plane-namespace": { type: "string" },
  "native-sidecar": { type: "boolean" },
  "capture-ipv6": { type: "string" },
  "access-log-file": { type: "string" },
} as const;

export const INJECTION_USAGE = `
  Settings of injected pods:
      --image IMAGE                    the image of Entente (${DEFAULT_INJECTION_SETTINGS.image})
      --image-pull-policy POLICY       Always, IfNotPresent or Never
      --image-pull-secret NAME         an image pull secret; may be given more than once
      --ca-address HOST:PORT           the control plane (${DEFAULT_INJECTION_SETTINGS.caAddress})
      --trust-domain DOMAIN            (${DEFAULT_INJECTION_SETTINGS.trustDomain})
      --revision NAME                  (${DEFAULT_INJECTION_SETTINGS.revision})
      --control-plane-namespace NAME   (${DEFAULT_INJECTION_SETTINGS.controlPlaneNamespace})
      --native-sidecar                 run the proxy as a restartable init container
      --capture-ipv6 auto|on|off       (auto: if the pod has IPv6)
      --access-log-file FILE           the proxies' access log, such as /dev/stdout (none)
`;

export interface InjectionFlagValues {
  readonly image?: string | undefined;
  readonly "image-pull-policy"?: string | undefined;
  readonly "image-pull-secret"?: readonly string[] | undefined;
  readonly "ca-address"?: string | undefined;
  readonly "trust-domain"?: string | undefined;
  readonly revision?: string | undefined;
  readonly "control-plane-namespace"?: string | undefined;
  readonly "native-sidecar"?: boolean | undefined;
  readonly "capture-ipv6"?: string | undefined;
  readonly "access-log-file"?: string | undefined;
}

/** The settings from the options, with Istio's defaults for the rest. */
export function injectionSettings(values: InjectionFlagValues): InjectionSettings {
  const defaults = DEFAULT_INJECTION_SETTINGS;
  return {
    image: values.image ?? defaults.image,
    imagePullPolicy: parsePullPolicy(values["image-pull-policy"]),
    imagePullSecrets: values["image-pull-secret"] ?? defaults.imagePullSecrets,
    caAddress: values["ca-address"] ?? defaults.caAddress,
    trustDomain: values["trust-domain"] ?? defaults.trustDomain,
    revision: values.revision ?? defaults.revision,
    controlPlaneNamespace: values["control-plane-namespace"] ?? defaults.controlPlaneNamespace,
    nativeSidecar: values["native-sidecar"] ?? defaults.nativeSidecar,
    captureIpv6: parseIpv6Capture(values["capture-ipv6"] ?? defaults.captureIpv6),
    accessLogFile: parseLogFile(values["access-log-file"] ?? defaults.accessLogFile),
  };
}

function parsePullPolicy(text: string | undefined): InjectionSettings["imagePullPolicy"] {
  if (text === undefined || text === "Always" || text === "IfNotPresent" || text === "Never") return text;
  throw new UsageError(`--image-pull-policy must be Always, IfNotPresent or Never, got "${text}"`);
}

function parseLogFile(text: string): string {
  if (text === "" || text.startsWith("/")) return text;
  throw new UsageError(`--access-log-file must be a path such as /dev/stdout, got "${text}"`);
}
