/** A Service as names see it. */
export interface NamedService {
  readonly name: string;
  readonly namespace: string;
  /** Its own address, or its pods' where it is headless. */
  readonly ips: readonly string[];
}

/** The pod whose file it is. */
export interface HostsOwner {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
}

/**
 * The /etc/hosts of a pod: what a cluster's DNS would answer. The short name is for Services of the pod's own namespace,
 * as the search list of a cluster makes it.
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
