import type { Ipv6Capture } from "../capture/capture-args.ts";

/** What every injected pod gets, whatever its annotations say. */
export interface InjectionSettings {
  /** The image of Entente: its entry point is the `entente` command. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never" | undefined;
  /** Names of secrets for the registry; they are added to the pod's own. */
  readonly imagePullSecrets: readonly string[];
  /** `HOST:PORT` of the control plane. */
  readonly caAddress: string;
  readonly trustDomain: string;
  /** The injector's revision: namespaces choose it by the label istio.io/rev. */
  readonly revision: string;
  /** Where the control plane itself lives; its pods are injected only when they ask for it. */
  readonly controlPlaneNamespace: string;
  /** Runs the proxy as a restartable init container (Kubernetes 1.29 and later), where no annotation says otherwise. */
  readonly nativeSidecar: boolean;
  /** Whether the pods' IPv6 traffic is captured. */
  readonly captureIpv6: Ipv6Capture;
  /** Where the proxies log requests and streams, as Istio's `meshConfig.accessLogFile`; empty: nowhere. */
  readonly accessLogFile: string;
}

export const DEFAULT_INJECTION_SETTINGS: InjectionSettings = {
  image: "entente:0.1.0",
  imagePullPolicy: undefined,
  imagePullSecrets: [],
  caAddress: "istiod.istio-system.svc:15012",
  trustDomain: "cluster.local",
  revision: "default",
  controlPlaneNamespace: "istio-system",
  nativeSidecar: false,
  captureIpv6: "auto",
  accessLogFile: "",
};
