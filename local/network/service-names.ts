import type { NamedService } from "./hosts-file.ts";
import { type LocalService, listedAddresses, type ServicePod, takingPods } from "./services.ts";

const CLUSTER_SUFFIX = ".svc.cluster.local";
/** As many names of names as a resolver follows. */
const MAX_ALIASES = 8;

/**
 * What the cluster's DNS would say of the Services: a headless one has its endpoints' addresses, and one of type
 * ExternalName those of the Service that it is another name of. One that is a name of something outside has none.
 */
export function namedServices(services: readonly LocalService[], pods: readonly ServicePod[]): readonly NamedService[] {
  return services.map((service) => {
    const { name, namespace } = service;
    const target = followAlias(service, services);
    return { name, namespace, ips: target === undefined ? [] : addressesOf(target, pods) };
  });
}

/** The Services of type ExternalName whose names cannot be given, a sentence each. */
export function findOutsideNames(services: readonly LocalService[]): readonly string[] {
  return services
    .filter((service) => followAlias(service, services) === undefined)
    .map(
      ({ name, namespace, externalName }) =>
        `Service/${name}.${namespace} has no name here: its externalName ${externalName} is not the full name of a ` +
        `Service of these manifests (NAME.NAMESPACE${CLUSTER_SUFFIX}), and nothing outside can be reached from pods`,
    );
}

/** The Service that has the endpoints. As in DNS, an externalName is a full name: no search list is applied to it. */
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
