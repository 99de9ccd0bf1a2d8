import { isIpv4 } from "./fields/endpoint-address.ts";
import { formatResourceKey } from "./fields/resource-names.ts";
import { MANAGED_BY_LABEL, SERVICE_NAME_LABEL } from "./fields/slice-labels.ts";
import type { EndpointSlice } from "./kinds/endpoint-slice.ts";
import type { Endpoints } from "./kinds/endpoints.ts";
import type { Service } from "./kinds/service.ts";

/** Kubernetes' name for the controller that mirrors Endpoints to slices. */
const MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io";
/** An Endpoints object with this label is not mirrored. */
const SKIP_MIRROR_LABEL = "endpointslice.kubernetes.io/skip-mirror";

/** Maps by key, as in a ResourceSet. */
interface Slices {
  readonly endpointSlices: ReadonlyMap<string, EndpointSlice>;
  readonly endpoints: ReadonlyMap<string, Endpoints>;
  readonly services: ReadonlyMap<string, Service>;
}

interface SliceIndex {
  /** By the key of the Service. */
  readonly slicesByService: ReadonlyMap<string, readonly EndpointSlice[]>;
  readonly slicesByIp: ReadonlyMap<string, readonly EndpointSlice[]>;
}

/**
 * Indexes slices by Service and by address, including those mirrored from Endpoints; slices without a Service are
 * ignored.
 */
export function indexSlices(set: Slices): SliceIndex {
  const slicesByService = new Map<string, EndpointSlice[]>();
  const slicesByIp = new Map<string, EndpointSlice[]>();
  for (const slice of [...set.endpointSlices.values(), ...mirrorAll(set)]) {
    const service = slice.metadata.labels[SERVICE_NAME_LABEL] ?? "";
    if (service === "") continue;
    append(slicesByService, formatResourceKey(slice.metadata.namespace, service), slice);
    const addresses = slice.endpoints.flatMap((endpoint) => endpoint.addresses);
    for (const ip of new Set(addresses.map((address) => address.toLowerCase()))) append(slicesByIp, ip, slice);
  }
  return { slicesByService, slicesByIp };
}

function append<Value>(groups: Map<string, Value[]>, key: string, value: Value): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}

/** Like Kubernetes' mirroring controller: only Endpoints of Services without a selector. */
function mirrorAll({ endpoints, services }: Slices): readonly EndpointSlice[] {
  return [...endpoints.values()].flatMap((object) => {
    const { name, namespace, labels } = object.metadata;
    const service = services.get(formatResourceKey(namespace, name));
    if (service === undefined || Object.keys(service.spec.selector ?? {}).length > 0) return [];
    return labels[SKIP_MIRROR_LABEL] === "true" ? [] : mirror(object);
  });
}

function mirror({ apiVersion, metadata, subsets }: Endpoints): readonly EndpointSlice[] {
  const labels = { [SERVICE_NAME_LABEL]: metadata.name, [MANAGED_BY_LABEL]: MIRRORING_CONTROLLER };
  return subsets.flatMap(({ addresses, notReadyAddresses, ports }) => {
    const all = [
      ...addresses.map((address) => ({ ...address, ready: true })),
      ...notReadyAddresses.map((address) => ({ ...address, ready: false })),
    ];
    return (["IPv4", "IPv6"] as const).map((addressType) => ({
      kind: "EndpointSlice" as const,
      apiVersion,
      metadata: { ...metadata, labels },
      addressType,
      endpoints: all
        .filter(({ ip }) => isIpv4(ip) === (addressType === "IPv4"))
        .map(({ ip, ready, targetRef }) => ({
          addresses: [ip],
          conditions: { ready, terminating: false },
          ...(targetRef === undefined ? {} : { targetRef }),
        })),
      ports,
    }));
  });
}
