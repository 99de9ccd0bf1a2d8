import { annotationsOf, applicationContainers, type Container, ephemeralContainers, type Pod } from "../pod.ts";
import { requestedInjection } from "../selection/decide-injection.ts";
import { namesOf, proxyIdWarnings } from "./proxy-id.ts";

/**
 * Annotations with these prefixes are meant for an injector; an unknown one gets a warning instead of being ignored
 * silently.
 */
const OUR_PREFIXES = /^(?:(?:traffic\.|status\.)?sidecar|inject|proxy)\.istio\.io\//;
const KNOWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  "sidecar.istio.io/inject",
  "sidecar.istio.io/status",
  "sidecar.istio.io/interceptionMode",
  "sidecar.istio.io/logLevel",
  "sidecar.istio.io/agentLogLevel",
  "sidecar.istio.io/nativeSidecar",
  "sidecar.istio.io/proxyCPU",
  "sidecar.istio.io/proxyCPULimit",
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

/** Warnings about a pod that is injected anyway; kubectl shows one per line. */
export function warningsFor(pod: Pod): readonly string[] {
  const containers = [...applicationContainers(pod), ...ephemeralContainers(pod)];
  const warnings = [...containers.flatMap(warningsForContainer), ...proxyIdWarnings(pod)];
  const { dnsPolicy } = pod.spec;
  if (dnsPolicy !== undefined && dnsPolicy !== null && dnsPolicy !== "" && dnsPolicy !== "ClusterFirst") {
    warnings.push(`dnsPolicy is ${dnsPolicy}: service names may not resolve; ClusterFirst is recommended`);
  }
  const requested = requestedInjection(pod);
  if (requested !== undefined && requested !== "true" && requested !== "false") {
    warnings.push(`sidecar.istio.io/inject is "${requested}", which is neither true nor false and is ignored`);
  }
  const unknown = Object.keys(annotationsOf(pod)).filter(
    (key) => OUR_PREFIXES.test(key) && !KNOWN_ANNOTATIONS.has(key),
  );
  return [...warnings, ...unknown.sort().map((key) => `the annotation ${key} is not supported and has no effect`)];
}

const CAPTURE_BREAKERS = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "ALL"];

function warningsForContainer({ name, securityContext, lifecycle }: Container): string[] {
  const added = namesOf(securityContext?.capabilities?.add);
  const breakers =
    securityContext?.privileged === true ? ["privileged"] : added.filter((one) => CAPTURE_BREAKERS.includes(one));
  const warnings =
    breakers.length === 0 ? [] : [`the container ${name} has ${breakers.join(", ")} and can remove the capture rules`];
  for (const hook of ["postStart", "preStop"] as const) {
    const handler = lifecycle?.[hook];
    if (isSet(handler?.httpGet) || isSet(handler?.tcpSocket)) {
      warnings.push(
        `the container ${name}'s ${hook} hook arrives in plaintext and fails under STRICT; use exec instead`,
      );
    }
  }
  return warnings;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}
