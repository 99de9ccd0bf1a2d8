import { isSelective } from "../policy/authentication/server-mode.ts";
import { findTcpPorts } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { compareAge, formatResourceKey, formatResourceName } from "../resources/fields/resource-names.ts";
import type { PeerAuthentication } from "../resources/kinds/peer-authentication.ts";
import type { Policy } from "../resources/kinds/policy.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Policies of authentication that lose against others, or that name what is not there. */
export function findAuthenticationProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  return [
    ...findLosers(set),
    ...findIgnoredSelectors(set, settings),
    ...findShadowedLegacy(set, settings),
    ...findMissingTargets(set),
    ...findRivalTargets(set),
  ];
}

/** In one scope the oldest PeerAuthentication counts alone. */
function findLosers(set: ResourceSet): readonly ConfigProblem[] {
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
    return [createResourceWarning(rule, "", message)];
  });
}

function findIgnoredSelectors(set: ResourceSet, { rootNamespace }: AnalysisSettings): readonly ConfigProblem[] {
  return [...set.peerAuthentications.values()]
    .filter((rule) => rule.metadata.namespace === rootNamespace && isSelective(rule))
    .map((rule) => {
      const message = `is ignored: a selector has no effect in the root namespace ${rootNamespace}; move the rule to the workload's namespace`;
      return createResourceWarning(rule, "spec.selector", message);
    });
}

/** A PeerAuthentication for a namespace or for the mesh silences the legacy policies under it. */
function findShadowedLegacy(set: ResourceSet, { rootNamespace }: AnalysisSettings): readonly ConfigProblem[] {
  const speaking = [...set.peerAuthentications.values()]
    .filter((rule) => !isSelective(rule) && rule.spec.mtls.mode !== "UNSET")
    .sort(compareAge);
  const ofMesh = speaking.find((rule) => rule.metadata.namespace === rootNamespace);
  return [...set.meshPolicies.values(), ...set.policies.values()].flatMap((policy) => {
    const { namespace } = policy.metadata;
    const shadowing = ofMesh ?? speaking.find((rule) => namespace !== "" && rule.metadata.namespace === namespace);
    if (shadowing === undefined) return [];
    const message = `has no effect: ${formatResourceName(shadowing)} speaks for the same workloads, and PeerAuthentication comes first`;
    return [createResourceWarning(policy, "", message)];
  });
}

function findMissingTargets(set: ResourceSet): readonly ConfigProblem[] {
  return [...set.policies.values()].flatMap((policy) =>
    policy.spec.targets.flatMap((target, index) => {
      const field = `spec.targets[${index}]`;
      const service = set.services.get(formatResourceKey(policy.metadata.namespace, target.name));
      if (service === undefined) {
        const message = `there is no service ${target.name} in namespace ${policy.metadata.namespace}`;
        return [createResourceWarning(policy, `${field}.name`, message)];
      }
      const ports = findTcpPorts(service);
      const missing = target.ports.filter(
        ({ number, name }) => !ports.some((port) => (number === undefined ? port.name === name : port.port === number)),
      );
      return missing.map(({ number, name }) =>
        createResourceWarning(policy, `${field}.ports`, `service ${target.name} has no port ${number ?? name}`),
      );
    }),
  );
}

/** Two policies that target one service and port: the oldest counts. */
function findRivalTargets(set: ResourceSet): readonly ConfigProblem[] {
  const winners = new Map<string, Policy>();
  return [...set.policies.values()].sort(compareAge).flatMap((policy) =>
    targetKeys(policy).flatMap((key) => {
      const winner = winners.get(key);
      if (winner === undefined || winner === policy) {
        winners.set(key, policy);
        return [];
      }
      const message = `${formatResourceName(winner)} targets the same service and port and comes first; merge them or delete one`;
      return [createResourceWarning(policy, "spec.targets", message)];
    }),
  );
}

function targetKeys(policy: Policy): readonly string[] {
  return policy.spec.targets.flatMap(({ name, ports }) => {
    const all = ports.length === 0 ? ["all ports"] : ports.map((port) => `${port.number ?? port.name}`);
    return all.map((port) => JSON.stringify([policy.metadata.namespace, name, port]));
  });
}
