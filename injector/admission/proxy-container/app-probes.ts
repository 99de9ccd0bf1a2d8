import type { Container, LifecycleHandler, Pod, Probe } from "../pod.ts";
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

const HOOKS = [
  ["postStart", "poststartz"],
  ["preStop", "prestopz"],
] as const;

/** How long a hook may take: the kubelet sets no limit of its own but the pod's grace period, by default 30 seconds. */
const DEFAULT_HOOK_TIMEOUT_S = 30;
const MAX_HOOK_TIMEOUT_S = 3600;

/**
 * Redirects the application's probes and lifecycle hooks to the proxy, which calls the application from inside the pod.
 * The kubelet has no certificate and would be refused under STRICT. This covers HTTP, TCP and gRPC of all containers;
 * exec needs no change. A handler that names a host does not go to the pod, and one that already points to the proxy is
 * kept.
 * @param createToken makes the unguessable end of a hook's path: any pod can reach the proxy's port, and a hook, unlike
 *   a probe, changes the application's state
 */
export function rewriteProbes(pod: Pod, createToken: () => string): RewrittenProbes {
  const rewriting: Rewriting = { createToken, hookTimeoutS: hookTimeoutOf(pod), probers: {}, warnings: [] };
  const { containers, initContainers } = pod.spec;
  const rewrite = (container: Container): Container => rewriteContainer(container, rewriting);
  const spec = {
    ...pod.spec,
    containers: containers.map(rewrite),
    ...(initContainers && { initContainers: initContainers.map(rewrite) }),
  };
  return { pod: { ...pod, spec }, probers: rewriting.probers, warnings: rewriting.warnings };
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

/** Whether a container's postStart hook is a request to the proxy, which must then run before that container. */
export function needsProxyAtStart({ spec }: Pod): boolean {
  return spec.containers.some(
    ({ name, lifecycle }) => !isInjected(name) && lifecycle?.postStart?.httpGet?.port === PROBE_PORT,
  );
}

interface Rewriting {
  readonly createToken: () => string;
  readonly hookTimeoutS: number;
  readonly probers: Record<string, unknown>;
  readonly warnings: string[];
}

function rewriteContainer(container: Container, rewriting: Rewriting): Container {
  if (isInjected(container.name)) return container;
  const { name } = container;
  let changed = container;
  for (const [field, path] of PROBES) {
    const probe = rewriteProbe(container, container[field], { field, path: `/app-health/${name}/${path}`, rewriting });
    if (probe !== undefined) changed = { ...changed, [field]: probe };
  }
  for (const [field, path] of HOOKS) {
    const handler = container.lifecycle?.[field];
    const hook = rewriteHook(container, handler, { field, path: `/app-lifecycle/${name}/${path}`, rewriting });
    if (hook !== undefined) changed = { ...changed, lifecycle: { ...changed.lifecycle, [field]: hook } };
  }
  return changed;
}

interface Target {
  /** The field of the container, for warnings. */
  readonly field: string;
  readonly path: string;
  readonly rewriting: Rewriting;
}

/** @returns undefined if the probe is kept */
function rewriteProbe(container: Container, probe: Probe | null | undefined, target: Target): Probe | undefined {
  const original = originalOf(container, probe, target);
  if (probe === null || probe === undefined || original === undefined) return undefined;
  const { httpGet: _httpGet, tcpSocket: _tcpSocket, grpc: _grpc, ...timing } = probe;
  const { timeoutSeconds } = timing;
  target.rewriting.probers[target.path] = {
    ...original,
    ...(typeof timeoutSeconds === "number" && { timeoutSeconds }),
  };
  return { ...timing, httpGet: requestTo(target.path) };
}

/** @returns undefined if the hook is kept */
function rewriteHook(
  container: Container,
  hook: LifecycleHandler | null | undefined,
  target: Target,
): LifecycleHandler | undefined {
  const original = originalOf(container, hook, target);
  if (original === undefined) return undefined;
  const { createToken, hookTimeoutS, probers } = target.rewriting;
  const path = `${target.path}/${createToken()}`;
  probers[path] = { ...original, timeoutSeconds: hookTimeoutS };
  return { httpGet: requestTo(path) };
}

function requestTo(path: string) {
  return { path, port: PROBE_PORT, scheme: "HTTP" };
}

type Handler = Probe | LifecycleHandler;

/** What the proxy has to call, with its port as a number; undefined if the handler is not to be redirected. */
function originalOf(container: Container, handler: Handler | null | undefined, { field, rewriting }: Target) {
  const kind = (["httpGet", "tcpSocket", "grpc"] as const).find((name) => isObject(handler?.[name]));
  const call = kind && handler?.[kind];
  if (kind === undefined || !isObject(call)) return undefined;
  const { host, port: reference } = call;
  if (typeof host === "string" && host !== "") return undefined;
  const port = resolvePort(container, reference);
  if (port === undefined) {
    rewriting.warnings.push(
      `the container ${container.name}'s ${field} names the port ${String(reference)}, which the container does not have; it is not redirected to the proxy`,
    );
    return undefined;
  }
  return port === PROBE_PORT ? undefined : { [kind]: { ...call, port } };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function resolvePort(container: Container, port: unknown): number | undefined {
  if (typeof port === "number") return port;
  if (typeof port !== "string") return undefined;
  if (/^\d+$/.test(port)) return Number(port);
  return (container.ports ?? []).find(({ name }) => name === port)?.containerPort;
}

function hookTimeoutOf({ spec }: Pod): number {
  return Math.min(Math.max(spec.terminationGracePeriodSeconds || DEFAULT_HOOK_TIMEOUT_S, 1), MAX_HOOK_TIMEOUT_S);
}
