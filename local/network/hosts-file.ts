/** The names and addresses of a Service. */
export interface NamedService {
  readonly name: string;
  readonly namespace: string;
  /** Its own address, or its pods' if it is headless. */
  readonly ips: readonly string[];
}

/** The pod that the file is for. */
export interface HostsOwner {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
}

/**
 * The /etc/hosts of a pod, which replaces a cluster's DNS. Short names exist only for Services in the pod's own
 * namespace, like with the search list of a cluster.
 */
export function formatHostsFile(owner: HostsOwner, services: readonly NamedService[]): string {
  const lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost", `${owner.ip} ${owner.name}`];
  for (const service of services) {
    const qualified = `${service.name}.${service.namespace}`;
    const names = [`${qualified}.svc.cluster.local`, `${qualified}.svc`, qualified];
    if (service.namespace === owner.namespace) names.push(service.name);
    for (const ip of service.ips) lines.push(`${ip} ${names.join(" ")}`);
  }
  return `${lines.join("\n")}\n`;
}
