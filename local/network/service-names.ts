import type { NamedService } from "./hosts-file.ts";
import { type LocalService, listedAddresses, type ServicePod, takingPods } from "./services.ts";

const CLUSTER_SUFFIX = ".svc.cluster.local";
/** The maximum number of aliases that are followed. */
const MAX_ALIASES = 8;

/**
 * The Services' names as a cluster's DNS would resolve them: a headless one has its endpoints' addresses, and an
 * ExternalName has those of the Service that it refers to. An ExternalName for a host outside has no address.
 */
export function namedServices(services: readonly LocalService[], pods: readonly ServicePod[]): readonly NamedService[] {
  return services.map((service) => {
    const { name, namespace } = service;
    const target = followAlias(service, services);
    return { name, namespace, ips: target === undefined ? [] : addressesOf(target, pods) };
  });
}

/** A warning for each ExternalName Service whose name cannot be resolved. */
export function findUnresolvableNames(services: readonly LocalService[]): readonly string[] {
  return services
    .filter((service) => followAlias(service, services) === undefined)
    .map(
      ({ name, namespace, externalName }) =>
        `Service/${name}.${namespace} cannot be resolved here: its externalName ${externalName} is not the full name of a ` +
        `Service of these manifests (NAME.NAMESPACE${CLUSTER_SUFFIX}), and pods cannot reach hosts outside`,
    );
}

/** The Service with the endpoints. As in DNS, an externalName is a full name: no search list applies. */
function followAlias(service: LocalService, services: readonly LocalService[]): LocalService | undefined {
  let current: LocalService | undefined = service;
  for (let followed = 0; current?.externalName !== undefined; followed += 1) {
    const wanted: string = current.externalName.toLowerCase().replace(/\.$/, "");
    current = followed === MAX_ALIASES ? undefined : services.find((candidate) => fullNameOf(candidate) === wanted);
  }
  return current;
}

function fullNameOf({ name, namespace }: LocalService): string {
  return `${name}.${namespace}${CLUSTER_SUFFIX}`;
}

function addressesOf(service: LocalService, pods: readonly ServicePod[]): readonly string[] {
  if (service.clusterIp !== "None") return [service.clusterIp];
  const listed = service.slices.flatMap(listedAddresses);
  return [...new Set([...takingPods(service, pods).map(({ ip }) => ip), ...listed])];
}
