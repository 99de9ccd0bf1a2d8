import { hostKeysOf } from "../resources/fields/host-keys.ts";
import type { DestinationRule } from "../resources/kinds/destination-rule.ts";
import type { VirtualService } from "../resources/kinds/virtual-service.ts";
import type { ResourceIndex } from "../resources/set/resource-index.ts";

/** The DestinationRules whose host may match a fully qualified host. */
export function findRulesForHost(
  index: ResourceIndex,
  host: string,
  clusterDomain: string,
): readonly DestinationRule[] {
  return hostKeysOf(host, clusterDomain).flatMap((key) => index.destinationRulesByHost.get(key) ?? []);
}

/** The VirtualServices of which a host may match a fully qualified host, each once. */
export function findVirtualServicesForHost(
  index: ResourceIndex,
  host: string,
  clusterDomain: string,
): readonly VirtualService[] {
  return [...new Set(hostKeysOf(host, clusterDomain).flatMap((key) => index.virtualServicesByHost.get(key) ?? []))];
}
