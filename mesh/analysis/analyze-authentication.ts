import { isSelective } from "../policy/authentication/server-mode.ts";
import { findTcpPorts } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { compareAge, formatResourceKey, formatResourceName } from "../resources/fields/resource-names.ts";
import type { PeerAuthentication } from "../resources/kinds/peer-authentication.ts";
import type { Policy } from "../resources/kinds/policy.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Authentication policies that are overridden by others, or that name missing resources. */
export function findAuthenticationProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  return [
    ...findOverridden(set),
    ...findIgnoredSelectors(set, settings),
    ...findShadowedLegacy(set, settings),
    ...findMissingTargets(set),
    ...findConflictingTargets(set),
  ];
}

/** Only the oldest PeerAuthentication of a scope applies. */
function findOverridden(set: ResourceSet): readonly ConfigProblem[] {
  const winners = new Map<string, PeerAuthentication>();
  return [...set.peerAuthentications.values()].sort(compareAge).flatMap((rule) => {
    const labels = Object.entries(rule.spec.selector?.matchLabels ?? {}).sort(([left], [right]) =>
      left < right ? -1 : 1,
    );
    const scope = JSON.stringify([rule.metadata.namespace, labels]);
    const winner = winners.get(scope);
    if (winner === undefined) {
      winners.set(scope, rule);
      return [];
    }
    const message = `is ignored: ${formatResourceName(winner)} has the same scope and is older; merge them or delete one`;
    return [createResourceWarning({ resource: rule, finding: "OverriddenPolicy", other: winner }, message)];
  });
}

function findIgnoredSelectors(set: ResourceSet, { rootNamespace }: AnalysisSettings): readonly ConfigProblem[] {
  return [...set.peerAuthentications.values()]
    .filter((rule) => rule.metadata.namespace === rootNamespace && isSelective(rule))
    .map((rule) => {
      const message = `is ignored: a selector has no effect in the root namespace ${rootNamespace}; move the rule to the workload's namespace`;
      return createResourceWarning({ resource: rule, finding: "IgnoredSelector", field: "spec.selector" }, message);
    });
}

/** A PeerAuthentication for a namespace or the mesh overrides the legacy policies below it. */
function findShadowedLegacy(set: ResourceSet, { rootNamespace }: AnalysisSettings): readonly ConfigProblem[] {
  const speaking = [...set.peerAuthentications.values()]
    .filter((rule) => !isSelective(rule) && rule.spec.mtls.mode !== "UNSET")
    .sort(compareAge);
  const ofMesh = speaking.find((rule) => rule.metadata.namespace === rootNamespace);
  return [...set.meshPolicies.values(), ...set.policies.values()].flatMap((policy) => {
    const { namespace } = policy.metadata;
    const shadowing = ofMesh ?? speaking.find((rule) => namespace !== "" && rule.metadata.namespace === namespace);
    if (shadowing === undefined) return [];
    const message = `has no effect: ${formatResourceName(shadowing)} applies to the same workloads, and PeerAuthentication takes precedence`;
    return [createResourceWarning({ resource: policy, finding: "ShadowedLegacyPolicy", other: shadowing }, message)];
  });
}

function findMissingTargets(set: ResourceSet): readonly ConfigProblem[] {
  return [...set.policies.values()].flatMap((policy) =>
    policy.spec.targets.flatMap((target, index) => {
      const field = `spec.targets[${index}]`;
      const service = set.services.get(formatResourceKey(policy.metadata.namespace, target.name));
      if (service === undefined) {
        const message = `there is no service ${target.name} in namespace ${policy.metadata.namespace}`;
        return [
          createResourceWarning(
            { resource: policy, finding: "ReferencedResourceNotFound", field: `${field}.name` },
            message,
          ),
        ];
      }
      const ports = findTcpPorts(service);
      const missing = target.ports.filter(
        ({ number, name }) => !ports.some((port) => (number === undefined ? port.name === name : port.port === number)),
      );
      return missing.map(({ number, name }) =>
        createResourceWarning(
          { resource: policy, finding: "ReferencedResourceNotFound", field: `${field}.ports` },
          `service ${target.name} has no port ${number ?? name}`,
        ),
      );
    }),
  );
}

/** If two policies target one service and port, the oldest applies. */
function findConflictingTargets(set: ResourceSet): readonly ConfigProblem[] {
  const winners = new Map<string, Policy>();
  return [...set.policies.values()].sort(compareAge).flatMap((policy) =>
    targetKeys(policy).flatMap((key) => {
      const winner = winners.get(key);
      if (winner === undefined || winner === policy) {
        winners.set(key, policy);
        return [];
      }
      const message = `${formatResourceName(winner)} targets the same service and port and takes precedence; merge them or delete one`;
      return [
        createResourceWarning(
          { resource: policy, finding: "OverriddenPolicy", field: "spec.targets", other: winner },
          message,
        ),
      ];
    }),
  );
}

function targetKeys(policy: Policy): readonly string[] {
  return policy.spec.targets.flatMap(({ name, ports }) => {
    const all = ports.length === 0 ? ["all ports"] : ports.map((port) => `${port.number ?? port.name}`);
    return all.map((port) => JSON.stringify([policy.metadata.namespace, name, port]));
  });
}
