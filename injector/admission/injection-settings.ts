import type { Ipv6Capture } from "../capture/capture-args.ts";
import { EMPTY_PROXY_CONFIG, type ProxyConfig } from "./mesh-config/proxy-config.ts";

/** A container's `resources`. */
export interface ProxyResources {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}

/** Settings that apply to every injected pod, independent of its annotations. */
export interface InjectionSettings {
  /** The Entente image; its entry point is the `entente` command. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never" | undefined;
  /** Image pull secrets; they are added to the pod's own. */
  readonly imagePullSecrets: readonly string[];
  /** `HOST:PORT` of the control plane. */
  readonly caAddress: string;
  readonly trustDomain: string;
  /** The injector's revision; namespaces select it with the label istio.io/rev. */
  readonly revision: string;
  /** The control plane's own namespace; pods in it are injected only if they opt in. */
  readonly controlPlaneNamespace: string;
  /** Runs the proxy as a restartable init container (Kubernetes 1.29 and later), unless an annotation overrides it. */
  readonly nativeSidecar: boolean;
  /** Whether IPv6 traffic of pods is captured. */
  readonly captureIpv6: Ipv6Capture;
  /** Where proxies write access logs, as in Istio's `meshConfig.accessLogFile`; empty turns them off. */
  readonly accessLogFile: string;
  /** Whether Prometheus scrapes the proxy, which adds the application's metrics: `meshConfig.enablePrometheusMerge`. */
  readonly mergesMetrics: boolean;
  /** Of the proxy's container; a pod's annotations replace all of it. */
  readonly proxyResources: ProxyResources;
  /** The mesh's `defaultConfig`; a pod's annotation proxy.istio.io/config changes it for that pod. */
  readonly proxy: ProxyConfig;
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
  mergesMetrics: true,
  proxyResources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2000m", memory: "1024Mi" } },
  proxy: EMPTY_PROXY_CONFIG,
};
