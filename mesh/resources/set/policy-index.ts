import { keyOfHost, UNREADABLE } from "../fields/host-keys.ts";
import type { DestinationRule } from "../kinds/destination-rule.ts";
import type { PeerAuthentication } from "../kinds/peer-authentication.ts";
import type { Policy } from "../kinds/policy.ts";
import type { VirtualService } from "../kinds/virtual-service.ts";
import { type ChangedGroups, emptyIndex, type GroupIndex, type ItemChange, regroup } from "./group-index.ts";

/** Policies by what they may apply to, so that a decision reads, and depends on, only those that may concern it. */
export interface PolicyIndex {
  /** By the key of their host (`keyOfHost`); those whose host is not readable under `UNREADABLE`. */
  readonly destinationRulesByHost: ReadonlyMap<string, readonly DestinationRule[]>;
  /** By the key of each of their hosts. */
  readonly virtualServicesByHost: ReadonlyMap<string, readonly VirtualService[]>;
  /** Stand-ins for the whole mesh are under `UNREADABLE`, too. */
  readonly peerAuthenticationsByNamespace: ReadonlyMap<string, readonly PeerAuthentication[]>;
  readonly policiesByNamespace: ReadonlyMap<string, readonly Policy[]>;
}

export interface UpdatablePolicyIndex extends PolicyIndex {
  readonly destinationRulesByHost: GroupIndex<DestinationRule>;
  readonly virtualServicesByHost: GroupIndex<VirtualService>;
  readonly peerAuthenticationsByNamespace: GroupIndex<PeerAuthentication>;
  readonly policiesByNamespace: GroupIndex<Policy>;
}

export const EMPTY_POLICY_INDEX: UpdatablePolicyIndex = {
  destinationRulesByHost: emptyIndex(),
  virtualServicesByHost: emptyIndex(),
  peerAuthenticationsByNamespace: emptyIndex(),
  policiesByNamespace: emptyIndex(),
};

export interface PolicyChanges {
  readonly destinationRules: readonly ItemChange<DestinationRule>[];
  readonly virtualServices: readonly ItemChange<VirtualService>[];
  readonly peerAuthentications: readonly ItemChange<PeerAuthentication>[];
  readonly policies: readonly ItemChange<Policy>[];
}

export function updatePolicyIndex(
  index: UpdatablePolicyIndex,
  changes: PolicyChanges,
  note: (name: keyof PolicyIndex, key: string) => void,
): UpdatablePolicyIndex {
  const noted = <Item>(name: keyof PolicyIndex, groups: ChangedGroups<Item>): ChangedGroups<Item> => {
    for (const key of groups.keys()) note(name, key);
    return groups;
  };
  const rules = regroup(index.destinationRulesByHost, changes.destinationRules, keysOfRule);
  const services = regroup(index.virtualServicesByHost, changes.virtualServices, keysOfVirtualService);
  const authentications = regroup(
    index.peerAuthenticationsByNamespace,
    changes.peerAuthentications,
    keysOfAuthentication,
  );
  const policies = regroup(index.policiesByNamespace, changes.policies, ({ metadata }) => [metadata.namespace]);
  return {
    destinationRulesByHost: index.destinationRulesByHost.with(noted("destinationRulesByHost", rules)),
    virtualServicesByHost: index.virtualServicesByHost.with(noted("virtualServicesByHost", services)),
    peerAuthenticationsByNamespace: index.peerAuthenticationsByNamespace.with(
      noted("peerAuthenticationsByNamespace", authentications),
    ),
    policiesByNamespace: index.policiesByNamespace.with(noted("policiesByNamespace", policies)),
  };
}

function keysOfRule({ spec, metadata, standsInFor }: DestinationRule): readonly string[] {
  return [standsInFor === "mesh" ? UNREADABLE : keyOfHost(spec.host, metadata.namespace)];
}

function keysOfVirtualService({ spec, metadata }: VirtualService): readonly string[] {
  return spec.hosts.map((host) => keyOfHost(host, metadata.namespace));
}

function keysOfAuthentication({ metadata, standsInFor }: PeerAuthentication): readonly string[] {
  return standsInFor === "mesh" ? [UNREADABLE, metadata.namespace] : [metadata.namespace];
}
