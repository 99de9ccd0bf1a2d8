import { injectionWish } from "./decide-injection.ts";
import { annotationsOf, applicationContainers, type Container, ephemeralContainers, type Pod } from "./pod.ts";
import { proxyIdWarnings } from "./proxy-id.ts";

/** Annotations of these prefixes are meant for an injector; one that we do not know is named, not dropped in silence. */
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

/** What the user should know of a pod that is injected all the same: shown by kubectl, one line each. */
export function warningsFor(pod: Pod): readonly string[] {
  const containers = [...applicationContainers(pod), ...ephemeralContainers(pod)];
  const warnings = [...containers.flatMap(warningsForContainer), ...proxyIdWarnings(pod)];
  const { dnsPolicy } = pod.spec;
  if (dnsPolicy !== undefined && dnsPolicy !== null && dnsPolicy !== "" && dnsPolicy !== "ClusterFirst") {
    warnings.push(`dnsPolicy is ${dnsPolicy}: names of services may not resolve; ClusterFirst is recommended`);
  }
  const wish = injectionWish(pod);
  if (wish !== undefined && wish !== "true" && wish !== "false") {
    warnings.push(`sidecar.istio.io/inject is "${wish}", which is neither true nor false and counts as not set`);
  }
  const unknown = Object.keys(annotationsOf(pod)).filter(
    (key) => OUR_PREFIXES.test(key) && !KNOWN_ANNOTATIONS.has(key),
  );
  return [...warnings, ...unknown.sort().map((key) => `the annotation ${key} is not supported and has no effect`)];
}

const CAPTURE_BREAKERS = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "ALL"];

function warningsForContainer({ name, securityContext, lifecycle }: Container): string[] {
  const added = (securityContext?.capabilities?.add ?? []).map((capability) => capability.replace(/^CAP_/, ""));
  const breakers =
    securityContext?.privileged === true ? ["privileged"] : added.filter((one) => CAPTURE_BREAKERS.includes(one));
  const warnings =
    breakers.length === 0
      ? []
      : [`the container ${name} has ${breakers.join(", ")} and can take itself out of the proxy's capture`];
  for (const hook of ["postStart", "preStop"] as const) {
    const handler = lifecycle?.[hook];
    if (isSet(handler?.httpGet) || isSet(handler?.tcpSocket)) {
      warnings.push(`the container ${name}'s ${hook} hook comes in clear and fails under STRICT; use exec instead`);
    }
  }
  return warnings;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}
