import { keyOfHost, UNREADABLE } from "../fields/host-keys.ts";
import type { AuthorizationPolicy } from "../kinds/authorization-policy.ts";
import type { DestinationRule } from "../kinds/destination-rule.ts";
import type { PeerAuthentication } from "../kinds/peer-authentication.ts";
import type { Policy } from "../kinds/policy.ts";
import type { RequestAuthentication } from "../kinds/request-authentication.ts";
import type { VirtualService } from "../kinds/virtual-service.ts";
import { type ChangedGroups, emptyIndex, type GroupIndex, type ItemChange, regroup } from "./group-index.ts";

/** Policies by what they may apply to, so that a decision reads, and depends on, only those that may concern it. */
export interface PolicyIndex {
  /** By the key of their host (`keyOfHost`); those whose host is not readable under `UNREADABLE`. */
  readonly destinationRulesByHost: ReadonlyMap<string, readonly DestinationRule[]>;
  /** By the key of each of their hosts. */
  readonly virtualServicesByHost: ReadonlyMap<string, readonly VirtualService[]>;
  /** Of these three kinds, stand-ins for the whole mesh are under `UNREADABLE`, too. */
  readonly peerAuthenticationsByNamespace: ReadonlyMap<string, readonly PeerAuthentication[]>;
  readonly requestAuthenticationsByNamespace: ReadonlyMap<string, readonly RequestAuthentication[]>;
  readonly authorizationPoliciesByNamespace: ReadonlyMap<string, readonly AuthorizationPolicy[]>;
  readonly policiesByNamespace: ReadonlyMap<string, readonly Policy[]>;
}

export interface UpdatablePolicyIndex extends PolicyIndex {
  readonly destinationRulesByHost: GroupIndex<DestinationRule>;
  readonly virtualServicesByHost: GroupIndex<VirtualService>;
  readonly peerAuthenticationsByNamespace: GroupIndex<PeerAuthentication>;
  readonly requestAuthenticationsByNamespace: GroupIndex<RequestAuthentication>;
  readonly authorizationPoliciesByNamespace: GroupIndex<AuthorizationPolicy>;
  readonly policiesByNamespace: GroupIndex<Policy>;
}

export const EMPTY_POLICY_INDEX: UpdatablePolicyIndex = {
  destinationRulesByHost: emptyIndex(),
  virtualServicesByHost: emptyIndex(),
  peerAuthenticationsByNamespace: emptyIndex(),
  requestAuthenticationsByNamespace: emptyIndex(),
  authorizationPoliciesByNamespace: emptyIndex(),
  policiesByNamespace: emptyIndex(),
};

export interface PolicyChanges {
  readonly destinationRules: readonly ItemChange<DestinationRule>[];
  readonly virtualServices: readonly ItemChange<VirtualService>[];
  readonly peerAuthentications: readonly ItemChange<PeerAuthentication>[];
  readonly requestAuthentications: readonly ItemChange<RequestAuthentication>[];
  readonly authorizationPolicies: readonly ItemChange<AuthorizationPolicy>[];
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
  const peers = regroup(index.peerAuthenticationsByNamespace, changes.peerAuthentications, keysOfSecurityPolicy);
  const requests = regroup(
    index.requestAuthenticationsByNamespace,
    changes.requestAuthentications,
    keysOfSecurityPolicy,
  );
  const authorizations = regroup(
    index.authorizationPoliciesByNamespace,
    [...changes.authorizationPolicies, ...changes.requestAuthentications.map(denialChange)],
    keysOfSecurityPolicy,
  );
  const policies = regroup(index.policiesByNamespace, changes.policies, ({ metadata }) => [metadata.namespace]);
  return {
    destinationRulesByHost: index.destinationRulesByHost.with(noted("destinationRulesByHost", rules)),
    virtualServicesByHost: index.virtualServicesByHost.with(noted("virtualServicesByHost", services)),
    peerAuthenticationsByNamespace: index.peerAuthenticationsByNamespace.with(
      noted("peerAuthenticationsByNamespace", peers),
    ),
    requestAuthenticationsByNamespace: index.requestAuthenticationsByNamespace.with(
      noted("requestAuthenticationsByNamespace", requests),
    ),
    authorizationPoliciesByNamespace: index.authorizationPoliciesByNamespace.with(
      noted("authorizationPoliciesByNamespace", authorizations),
    ),
    policiesByNamespace: index.policiesByNamespace.with(noted("policiesByNamespace", policies)),
  };
}

/** A stand-in that denies does so as an AuthorizationPolicy. */
function denialChange({ before, after }: ItemChange<RequestAuthentication>): ItemChange<AuthorizationPolicy> {
  return { before: before?.denial, after: after?.denial };
}

function keysOfRule({ spec, metadata, standsInFor }: DestinationRule): readonly string[] {
  return [standsInFor === "mesh" ? UNREADABLE : keyOfHost(spec.host, metadata.namespace)];
}

function keysOfVirtualService({ spec, metadata }: VirtualService): readonly string[] {
  return spec.hosts.map((host) => keyOfHost(host, metadata.namespace));
}

function keysOfSecurityPolicy({
  metadata,
  standsInFor,
}: PeerAuthentication | RequestAuthentication | AuthorizationPolicy): readonly string[] {
  return standsInFor === "mesh" ? [UNREADABLE, metadata.namespace] : [metadata.namespace];
}
