import { type CaptureOptions, PROXY_PLAINTEXT_PORTS } from "../../capture/capture-options.ts";
import {
  annotationsOf,
  applicationContainers,
  type Container,
  ephemeralContainers,
  type Pod,
  SIDECAR_NAME,
} from "../pod.ts";
import type { PodSettings } from "../pod-settings.ts";
import { requestedInjection } from "../selection/decide-injection.ts";
import type { WorkloadOwner } from "../workload-owner.ts";
import { namesOf, proxyIdWarnings } from "./proxy-id.ts";

/** Istio's annotations: one that is not known here gets a warning instead of being ignored silently. */
const ISTIO_ANNOTATION = /^(?:[a-z0-9-]+\.)*istio\.io\//;
const KNOWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  "inject.istio.io/templates",
  "istio.io/rev",
  "prometheus.istio.io/merge-metrics",
  "proxy.istio.io/config",
  "readiness.status.sidecar.istio.io/failureThreshold",
  "readiness.status.sidecar.istio.io/initialDelaySeconds",
  "readiness.status.sidecar.istio.io/periodSeconds",
  "sidecar.istio.io/inject",
  "sidecar.istio.io/status",
  "sidecar.istio.io/interceptionMode",
  "sidecar.istio.io/logLevel",
  "sidecar.istio.io/nativeSidecar",
  "sidecar.istio.io/proxyCPU",
  "sidecar.istio.io/proxyCPULimit",
  "sidecar.istio.io/proxyImage",
  "sidecar.istio.io/proxyMemory",
  "sidecar.istio.io/proxyMemoryLimit",
  "sidecar.istio.io/rewriteAppHTTPProbers",
  "status.sidecar.istio.io/port",
  "traffic.sidecar.istio.io/excludeInboundPorts",
  "traffic.sidecar.istio.io/excludeInterfaces",
  "traffic.sidecar.istio.io/excludeOutboundIPRanges",
  "traffic.sidecar.istio.io/excludeOutboundPorts",
  "traffic.sidecar.istio.io/includeInboundPorts",
  "traffic.sidecar.istio.io/includeOutboundIPRanges",
  "traffic.sidecar.istio.io/includeOutboundPorts",
]);

export interface WarningContext extends Pick<PodSettings, "isNative" | "redirectsProbes"> {
  readonly owner: WorkloadOwner;
  /** Undefined if nothing is captured. */
  readonly capture: CaptureOptions | undefined;
}

/** Warnings about a pod that is injected anyway; kubectl shows one per line. */
export function warningsFor(pod: Pod, settings: WarningContext): readonly string[] {
  const containers = [...applicationContainers(pod), ...ephemeralContainers(pod)];
  const hooks = settings.redirectsProbes ? [] : containers.flatMap(hookWarnings);
  const ports = containers.flatMap(portWarnings);
  const warnings = [
    ...exposureWarnings(settings.capture),
    ...containers.flatMap(captureWarnings),
    ...containers.flatMap((container) => processWarnings(pod, container)),
    ...ports,
    ...hooks,
    ...proxyIdWarnings(pod),
  ];
  const { dnsPolicy } = pod.spec;
  if (dnsPolicy !== undefined && dnsPolicy !== null && dnsPolicy !== "" && dnsPolicy !== "ClusterFirst") {
    warnings.push(`dnsPolicy is ${dnsPolicy}: service names may not resolve; ClusterFirst is recommended`);
  }
  if (!settings.isNative && JOBS.includes(settings.owner.kind)) {
    warnings.push(
      "the Job's pod ends only when the application requests POST http://127.0.0.1:15020/quitquitquit; with sidecar.istio.io/nativeSidecar: true it ends by itself",
    );
  }
  const requested = requestedInjection(pod);
  if (requested !== undefined && requested !== "true" && requested !== "false") {
    warnings.push(`sidecar.istio.io/inject is "${requested}", which is neither true nor false and is ignored`);
  }
  return [...warnings, ...unknownAnnotations(pod)];
}

function unknownAnnotations(pod: Pod): readonly string[] {
  const unknown = Object.keys(annotationsOf(pod)).filter(
    (key) => ISTIO_ANNOTATION.test(key) && !KNOWN_ANNOTATIONS.has(key),
  );
  return unknown.sort().map((key) => `the annotation ${key} is not supported and has no effect`);
}

/** Workloads whose pods end. */
const JOBS: readonly string[] = ["Job", "CronJob"];

/** The proxy listens on these in the network namespace that the pod's containers share. */
const PROXY_PORTS: readonly number[] = [15000, 15001, 15006, 15020, 15021, 15090];

function portWarnings({ name, ports }: Container): readonly string[] {
  return (ports ?? [])
    .filter(({ containerPort }) => PROXY_PORTS.includes(containerPort))
    .map(({ containerPort }) => `the container ${name} has the port ${containerPort}, on which the proxy listens`);
}

/** What other pods can reach around the proxy: no policy, not even STRICT, holds there. */
function exposureWarnings(capture: CaptureOptions | undefined): readonly string[] {
  const around = "around the proxy: they are plaintext, and neither STRICT nor another policy holds for them";
  if (capture === undefined) return [`interceptionMode is NONE: all connections to and from the pod go ${around}`];
  const { includeInboundPorts, excludeInboundPorts, excludeInterfaces } = capture;
  const excluded = excludeInboundPorts.filter((port) => !PROXY_PLAINTEXT_PORTS.includes(port));
  const ports =
    includeInboundPorts === "*"
      ? `the ports ${excluded.join(", ")}`
      : ["all ports", ...(includeInboundPorts.length > 0 ? ["but", includeInboundPorts.join(", ")] : [])].join(" ");
  return [
    ...(includeInboundPorts !== "*" || excluded.length > 0 ? [`inbound connections to ${ports} go ${around}`] : []),
    ...(excludeInterfaces.length > 0
      ? [`connections of the interfaces ${excludeInterfaces.join(", ")} go ${around}`]
      : []),
  ];
}

/** A container that can trace the proxy's process can read its key. */
function processWarnings({ spec }: Pod, container: Container): readonly string[] {
  const seesProxy = spec["shareProcessNamespace"] === true || container["targetContainerName"] === SIDECAR_NAME;
  const mayTrace = namesOf(container.securityContext?.capabilities?.add).includes("SYS_PTRACE");
  if (!seesProxy || !mayTrace) return [];
  return [`the container ${container.name} has SYS_PTRACE and sees the proxy's process: it can read the proxy's key`];
}

const CAPTURE_BREAKERS = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "ALL"];

function captureWarnings({ name, securityContext }: Container): readonly string[] {
  const added = namesOf(securityContext?.capabilities?.add);
  const breakers =
    securityContext?.privileged === true ? ["privileged"] : added.filter((one) => CAPTURE_BREAKERS.includes(one));
  return breakers.length === 0
    ? []
    : [`the container ${name} has ${breakers.join(", ")} and can remove the capture rules`];
}

/** Hooks that are not redirected to the proxy. */
function hookWarnings({ name, lifecycle }: Container): readonly string[] {
  return (["postStart", "preStop"] as const)
    .filter((hook) => lifecycle?.[hook]?.httpGet || lifecycle?.[hook]?.tcpSocket)
    .map(
      (hook) => `the container ${name}'s ${hook} hook arrives in plaintext and fails under STRICT; use exec instead`,
    );
}
