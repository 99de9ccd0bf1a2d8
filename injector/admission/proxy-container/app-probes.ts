import type { Container, Pod, Probe } from "../pod.ts";
import { annotationsOf, isInjected } from "../pod.ts";

/** The proxy's port that answers the kubelet's probes on behalf of the application. */
export const PROBE_PORT = 15020;

/** The environment variable with the probes that the proxy runs: JSON, from path to the original probe. */
export const PROBERS_ENV = "ISTIO_KUBE_APP_PROBERS";

export interface RewrittenProbes {
  readonly pod: Pod;
  /** From the path on the proxy's port to the application's original probe, with named ports resolved. */
  readonly probers: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

const PROBES = [
  ["readinessProbe", "readyz"],
  ["livenessProbe", "livez"],
  ["startupProbe", "startupz"],
] as const;

/**
 * Redirects the application's probes to the proxy, which probes the application from inside the pod. The kubelet has no
 * certificate and would be refused under STRICT. This covers HTTP, TCP and gRPC probes of all containers; exec probes
 * need no change. A probe that names a host does not go to the pod, and one that already points to the proxy is kept.
 */
export function rewriteProbes(pod: Pod): RewrittenProbes {
  const probers: Record<string, unknown> = {};
  const warnings: string[] = [];
  const rewrite = (container: Container): Container => {
    if (isInjected(container.name)) return container;
    let changed = container;
    for (const [field, path] of PROBES) {
      const outcome = rewriteProbe(container, container[field], `/app-health/${container.name}/${path}`);
      if (outcome.kind === "unresolved") warnings.push(`the container ${container.name}'s ${field} ${outcome.message}`);
      if (outcome.kind !== "rewritten") continue;
      probers[outcome.path] = outcome.original;
      changed = { ...changed, [field]: outcome.probe };
    }
    return changed;
  };
  const { containers, initContainers } = pod.spec;
  const spec = {
    ...pod.spec,
    containers: containers.map(rewrite),
    ...(initContainers && { initContainers: initContainers.map(rewrite) }),
  };
  return { pod: { ...pod, spec }, probers, warnings };
}

/** The probes that an earlier injection left in the proxy's environment; none if the text does not parse. */
export function parseProbers(text: string | null | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/** `status.sidecar.istio.io/port: "0"` turns the proxy's probe port off, so no probe can be redirected to it. */
export function probesSwitchedOff(pod: Pod): boolean {
  return annotationsOf(pod)["status.sidecar.istio.io/port"] === "0";
}

type ProbeOutcome =
  | { readonly kind: "kept" }
  | { readonly kind: "unresolved"; readonly message: string }
  | { readonly kind: "rewritten"; readonly path: string; readonly probe: Probe; readonly original: unknown };

function rewriteProbe(container: Container, probe: Probe | null | undefined, path: string): ProbeOutcome {
  const { httpGet, tcpSocket, grpc, ...timing } = probe ?? {};
  const handler = httpGet ?? tcpSocket ?? grpc;
  if (handler === undefined || handler === null) return { kind: "kept" };
  if ("host" in handler && typeof handler["host"] === "string" && handler["host"] !== "") return { kind: "kept" };
  const port = resolvePort(container, handler.port);
  if (port === undefined) {
    return {
      kind: "unresolved",
      message: `names the port ${handler.port}, which the container does not have; the probe is not rewritten`,
    };
  }
  if (port === PROBE_PORT) return { kind: "kept" };
  const kind = httpGet ? "httpGet" : tcpSocket ? "tcpSocket" : "grpc";
  const { timeoutSeconds } = timing;
  const original = {
    [kind]: { ...handler, port },
    ...(typeof timeoutSeconds === "number" && { timeoutSeconds }),
  };
  return {
    kind: "rewritten",
    path,
    probe: { ...timing, httpGet: { path, port: PROBE_PORT, scheme: "HTTP" } },
    original,
  };
}

function resolvePort(container: Container, port: number | string): number | undefined {
  if (typeof port === "number") return port;
  if (/^\d+$/.test(port)) return Number(port);
  return (container.ports ?? []).find(({ name }) => name === port)?.containerPort;
}
