import { isIpv4 } from "../fields/endpoint-address.ts";
import { MANAGED_BY_LABEL, SERVICE_NAME_LABEL } from "../fields/slice-labels.ts";
import type { EndpointSlice } from "../kinds/endpoint-slice.ts";
import type { Endpoints } from "../kinds/endpoints.ts";
import type { Service } from "../kinds/service.ts";

/** Kubernetes' name for the controller that mirrors Endpoints to slices. */
const MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io";
/** An Endpoints object with this label is not mirrored. */
const SKIP_MIRROR_LABEL = "endpointslice.kubernetes.io/skip-mirror";

/**
 * The EndpointSlices of an Endpoints object, like Kubernetes' mirroring controller: only for a Service without a
 * selector. The API server has them as EndpointSlices already; folders may contain only the Endpoints.
 */
export function mirrorEndpoints(
  endpoints: Endpoints | undefined,
  service: Service | undefined,
): readonly EndpointSlice[] {
  if (endpoints === undefined || service === undefined || Object.keys(service.spec.selector ?? {}).length > 0)
    return [];
  return endpoints.metadata.labels[SKIP_MIRROR_LABEL] === "true" ? [] : mirror(endpoints);
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
