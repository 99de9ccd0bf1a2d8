import { LocalError } from "../local-error.ts";
import { GATEWAY_IP } from "../network/addresses.ts";
import type { ContainerManifest, PodManifest } from "./pod-manifest.ts";

/** The input of a container's environment. */
export interface EnvironmentSource {
  readonly manifest: PodManifest;
  readonly ip: string;
  readonly serviceVariables: Readonly<Record<string, string>>;
}

/** The program folders of this machine. */
export const PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * A container's environment: variables of Services, then the container's own values and fields of the pod (fieldRef),
 * resolved like kubelet does.
 */
export function containerEnvironment(
  container: ContainerManifest,
  { manifest: pod, ip: podIp, serviceVariables }: EnvironmentSource,
): Readonly<Record<string, string>> {
  const environment: Record<string, string> = {
    ...serviceVariables,
    PATH: PROGRAM_PATH,
    HOME: "/tmp",
    LANG: "C.UTF-8",
    HOSTNAME: pod.metadata.name,
  };
  for (const { name, value, valueFrom } of container.env ?? []) {
    const fieldPath = valueFrom?.fieldRef?.fieldPath;
    if (fieldPath !== undefined) environment[name] = resolveField(fieldPath, pod, podIp);
    else if (valueFrom !== undefined && valueFrom !== null) throw unsupportedSource(name, pod);
    else environment[name] = expandVariables(value ?? "", environment);
  }
  return environment;
}

/** `$(NAME)` of a known variable is replaced, `$$(NAME)` is an escape, an unknown one stays (Kubernetes' rule). */
export function expandVariables(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:(\$)\(|\(([A-Za-z_][A-Za-z0-9_.-]*)\))/g, (whole, escaped, name) => {
    if (escaped !== undefined) return "$(";
    return Object.hasOwn(environment, name) ? (environment[name] ?? whole) : whole;
  });
}

function resolveField(path: string, pod: PodManifest, podIp: string): string {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed !== null) return (keyed[1] === "labels" ? metadata.labels : metadata.annotations)?.[keyed[2] ?? ""] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace;
    case "metadata.uid":
      return metadata.name;
    case "spec.serviceAccountName":
      return spec.serviceAccountName ?? "default";
    case "spec.nodeName":
      return "local";
    case "status.podIP":
    case "status.podIPs":
      return podIp;
    case "status.hostIP":
    case "status.hostIPs":
      return GATEWAY_IP;
    default:
      throw new LocalError("bad_manifest", `${podName(pod)}: fieldRef does not support the field ${path}`);
  }
}

function unsupportedSource(name: string, pod: PodManifest): LocalError {
  return new LocalError("bad_manifest", `${podName(pod)}: the variable ${name} must have a value or a fieldRef`);
}

function podName({ metadata }: PodManifest): string {
  return `Pod/${metadata.name}.${metadata.namespace}`;
}
