/** For tests: the rules of the Pod Security level `restricted`, which includes `baseline`, as Kubernetes 1.36 has them. */
import type { V1Container, V1PodSpec } from "@kubernetes/client-node";

const VOLUMES: readonly string[] = [
  ...["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"],
];
const SYSCTLS: readonly string[] = [
  ...["kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"],
  ...["net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"],
  ...["net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"],
  ...["net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"],
];

/** What `restricted` refuses in a pod; empty if it is admitted. */
export function findPodSecurityFaults(spec: V1PodSpec): readonly string[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return [
    ...named("the host's namespaces", spec.hostNetwork ?? spec.hostPID ?? spec.hostIPC ?? false),
    ...(spec.volumes ?? [])
      .flatMap((volume) => Object.keys(volume).filter((key) => key !== "name" && !VOLUMES.includes(key)))
      .map((type) => `a volume of type ${type}`),
    ...(spec.securityContext?.sysctls ?? [])
      .filter(({ name }) => !SYSCTLS.includes(name))
      .map(({ name }) => `sysctl ${name}`),
    ...containers.flatMap((container) =>
      findContainerFaults(container, spec).map((fault) => `${container.name}: ${fault}`),
    ),
  ];
}

function findContainerFaults(container: V1Container, spec: V1PodSpec): readonly string[] {
  const own = container.securityContext ?? {};
  const seccomp = (own.seccompProfile ?? spec.securityContext?.seccompProfile)?.type ?? "";
  const isNonRoot = own.runAsNonRoot ?? spec.securityContext?.runAsNonRoot;
  const added = (own.capabilities?.add ?? []).filter((name) => name !== "NET_BIND_SERVICE");
  return [
    ...named("privileged", own.privileged === true),
    ...named("allowPrivilegeEscalation is not false", own.allowPrivilegeEscalation !== false),
    ...named("does not drop ALL capabilities", !(own.capabilities?.drop ?? []).includes("ALL")),
    ...named(`adds ${added.join()}`, added.length > 0),
    ...named("runAsNonRoot is not true", isNonRoot !== true),
    ...named("runs as user 0", (own.runAsUser ?? spec.securityContext?.runAsUser) === 0),
    ...named("no seccomp profile", !["RuntimeDefault", "Localhost"].includes(seccomp)),
    ...named(
      "a port of the host",
      (container.ports ?? []).some(({ hostPort }) => (hostPort ?? 0) > 0),
    ),
    ...named("procMount", (own.procMount ?? "Default") !== "Default"),
  ];
}

function named(fault: string, applies: boolean): readonly string[] {
  return applies ? [fault] : [];
}
