import { PROXY_ID } from "../../capture/capture-options.ts";
import { InjectorError } from "../../injector-error.ts";
import { readAnnotation } from "../capture-annotations.ts";
import type { InjectionSettings } from "../injection-settings.ts";
import { annotationsOf, applicationContainers, type Container, type EnvVar, type Pod, SIDECAR_NAME } from "../pod.ts";
import { formatOwner, type WorkloadOwner } from "../workload-owner.ts";
import { NODE_MEMORY_ENV } from "./node-memory-env.ts";
import { type ProxyHooks, proxyLifecycle } from "./proxy-hooks.ts";
import { proxyResources } from "./proxy-resources.ts";

export interface SidecarInput {
  readonly pod: Pod;
  readonly settings: InjectionSettings;
  readonly namespace: string;
  readonly owner: WorkloadOwner;
  /** The pod's existing container of that name: from an earlier injection, or with the user's own additions. */
  readonly existing: Container | undefined;
  readonly hooks: ProxyHooks;
  readonly isCaptured: boolean;
  /** Variables that depend on how injection changed the rest of the pod. */
  readonly env: readonly EnvVar[];
}

/** The mounts of the proxy's token and of the control plane's root certificates. */
export const SIDECAR_MOUNTS = [
  { name: "istio-token", mountPath: "/var/run/secrets/tokens", readOnly: true },
  { name: "istiod-ca-cert", mountPath: "/var/run/secrets/istio", readOnly: true },
];

const SECURITY_CONTEXT = {
  runAsUser: PROXY_ID,
  runAsGroup: PROXY_ID,
  runAsNonRoot: true,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  privileged: false,
  capabilities: { drop: ["ALL"] },
  // The Pod Security level `restricted` requires it.
  seccompProfile: { type: "RuntimeDefault" },
};

/**
 * The proxy's container. An existing container of that name may add environment, mounts, ports, resources and a
 * lifecycle hook; fields that would change the program or its user are replaced.
 */
export function sidecarContainer(input: SidecarInput): Container {
  const { settings, existing, hooks } = input;
  const {
    command: _command,
    restartPolicy: _restartPolicy,
    lifecycle: _lifecycle,
    ...kept
  } = existing ?? { name: SIDECAR_NAME };
  const lifecycle = proxyLifecycle(existing, hooks);
  return {
    ...kept,
    name: SIDECAR_NAME,
    image: settings.image,
    ...(settings.imagePullPolicy && { imagePullPolicy: settings.imagePullPolicy }),
    args: ["proxy", "sidecar"],
    ...(hooks.isNative && { restartPolicy: "Always" }),
    ports: merge(
      [{ name: "http-envoy-prom", containerPort: 15090, protocol: "TCP" }],
      existing?.ports,
      "containerPort",
    ),
    env: mergeEnv(input),
    resources: existing?.["resources"] ?? proxyResources(annotationsOf(input.pod), input.settings.proxyResources),
    volumeMounts: merge(SIDECAR_MOUNTS, existing?.volumeMounts, "mountPath"),
    ...(hooks.hasProbes && { startupProbe: STARTUP_PROBE, readinessProbe: readinessProbe(input.pod) }),
    ...(lifecycle && { lifecycle }),
    securityContext: SECURITY_CONTEXT,
  };
}

const HEALTH = { httpGet: { path: "/healthz/ready", port: 15021 }, timeoutSeconds: 3 };
const STARTUP_PROBE = { ...HEALTH, periodSeconds: 1, failureThreshold: 600 };

/** The annotations readiness.status.sidecar.istio.io/* change Istio's defaults. */
function readinessProbe(pod: Pod) {
  const read = (name: string, lowest: number, otherwise: number) =>
    readAnnotation({
      annotations: annotationsOf(pod),
      name: `readiness.status.sidecar.istio.io/${name}`,
      parse: (text) => parseCount(text, lowest),
      otherwise,
    });
  const initialDelaySeconds = read("initialDelaySeconds", 0, 0);
  return {
    ...HEALTH,
    ...(initialDelaySeconds > 0 && { initialDelaySeconds }),
    periodSeconds: read("periodSeconds", 1, 15),
    failureThreshold: read("failureThreshold", 1, 4),
  };
}

function parseCount(text: string, lowest: number): number {
  if (/^\d{1,5}$/.test(text) && Number(text) >= lowest) return Number(text);
  throw new InjectorError("invalid_annotation", `"${text}" is not a whole number from ${lowest}`);
}

/** Our variables first, then the container's others, then new ones: the same order each time injection runs. */
function mergeEnv(input: SidecarInput): readonly EnvVar[] {
  const own = ownEnv(input);
  const names = new Set(own.map(({ name }) => name));
  const added = new Map(input.env.map((variable) => [variable.name, variable]));
  const kept = (input.existing?.env ?? [])
    .filter(({ name }) => !names.has(name))
    .map((old) => added.get(old.name) ?? old);
  const keptNames = new Set(kept.map(({ name }) => name));
  return [...own, ...kept, ...input.env.filter(({ name }) => !keptNames.has(name))];
}

function ownEnv({ pod, settings, namespace, owner, isCaptured }: SidecarInput): readonly EnvVar[] {
  const logLevel = readAnnotation({
    annotations: annotationsOf(pod),
    name: "sidecar.istio.io/logLevel",
    parse: parseLogLevel,
    otherwise: undefined,
  });
  return [
    ...NODE_MEMORY_ENV,
    { name: "CA_ADDR", value: settings.caAddress },
    fromField("POD_NAME", "metadata.name"),
    fromField("POD_NAMESPACE", "metadata.namespace"),
    fromField("INSTANCE_IP", "status.podIP"),
    fromField("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    { name: "TRUST_DOMAIN", value: settings.trustDomain },
    { name: "ISTIO_META_CLUSTER_ID", value: "Kubernetes" },
    { name: "ISTIO_META_INTERCEPTION_MODE", value: isCaptured ? "REDIRECT" : "NONE" },
    {
      name: "ISTIO_META_APP_CONTAINERS",
      value: applicationContainers(pod)
        .map(({ name }) => name)
        .join(","),
    },
    { name: "ISTIO_META_WORKLOAD_NAME", value: owner.name },
    { name: "ISTIO_META_OWNER", value: formatOwner(owner, namespace) },
    ...(logLevel === undefined ? [] : [{ name: "ENTENTE_LOG_LEVEL", value: logLevel }]),
    ...(settings.accessLogFile === "" ? [] : [{ name: "ENTENTE_ACCESS_LOG", value: settings.accessLogFile }]),
  ];
}

function fromField(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** Istio's level names, mapped to ours. */
const LOG_LEVELS: Readonly<Record<string, string>> = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warning: "warn",
  warn: "warn",
  error: "error",
  critical: "fatal",
  off: "silent",
};

function parseLogLevel(text: string): string {
  const level = Object.hasOwn(LOG_LEVELS, text) ? LOG_LEVELS[text] : undefined;
  if (level !== undefined) return level;
  throw new InjectorError(
    "invalid_annotation",
    `"${text}" is not a log level; use one of ${Object.keys(LOG_LEVELS).join(", ")}`,
  );
}

/** Our items, then those of the others whose key is not among ours. */
function merge<Key extends string, Item extends Readonly<Record<Key, unknown>>>(
  own: readonly Item[],
  others: readonly Item[] | null | undefined,
  key: Key,
): readonly Item[] {
  const keys = new Set(own.map((item) => item[key]));
  return [...own, ...(others ?? []).filter((item) => !keys.has(item[key]))];
}
