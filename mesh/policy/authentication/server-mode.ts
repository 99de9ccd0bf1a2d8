import type { MeshSettings } from "../../mesh-settings.ts";
import { UNREADABLE } from "../../resources/fields/host-keys.ts";
import { compareAge, formatResourceName } from "../../resources/fields/resource-names.ts";
import type { PeerAuthentication } from "../../resources/kinds/peer-authentication.ts";
import type { Pod } from "../../resources/kinds/pod.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import type { ServerMode, ServerModeDecision } from "../types.ts";
import { matchLabels } from "../workloads.ts";
import { decideLegacyMode, decideLegacyServiceMode, type LegacyService } from "./legacy-mode.ts";

/** The mode if no policy applies: Istio's default since PeerAuthentication. */
const DEFAULT_DECISION: ServerModeDecision = { mode: "PERMISSIVE", rule: "default" };

export interface ServerModeInput {
  readonly set: ResourceSet;
  readonly settings: Pick<MeshSettings, "rootNamespace">;
  readonly pod: Pod;
  /** The port that the application listens on. Absent: the mode of all ports without a port-level rule. */
  readonly port?: number | undefined;
}

/**
 * Which clients a pod accepts on a port. PeerAuthentication takes precedence: its port, workload, namespace and mesh
 * levels in that order, where `UNSET` inherits. If none decides, the legacy policies apply, then the default.
 */
export function decideServerMode(input: ServerModeInput): ServerModeDecision {
  for (const { mode, rule } of serverModeCandidates(input)) if (mode !== "UNSET") return { mode, rule };
  return DEFAULT_DECISION;
}

/** A rule that applies to a port, at one level. */
export interface ServerModeCandidate {
  readonly level: "port" | "workload" | "namespace" | "mesh" | "legacy" | "default";
  /** `UNSET`: the next candidate decides. */
  readonly mode: ServerMode | "UNSET";
  readonly rule: string;
}

/** The rules that apply to a port, in order of precedence; the first that is not `UNSET` decides. Evaluated lazily. */
export function* serverModeCandidates(input: ServerModeInput): Generator<ServerModeCandidate, void> {
  const { set, settings, pod, port } = input;
  const { namespace } = pod.metadata;
  const workload = findWorkloadAuthentication(input);
  yield* candidateOf("mesh", findUnreadable(set));
  const ofPort = port === undefined ? undefined : workload?.spec.portLevelMtls[String(port)]?.mode;
  if (workload !== undefined && ofPort !== undefined) {
    yield { level: "port", mode: ofPort, rule: formatResourceName(workload) };
  }
  yield* candidateOf("workload", workload);
  yield* candidateOf("namespace", findAuthentication(set, namespace));
  if (namespace !== settings.rootNamespace) {
    yield* candidateOf("mesh", findAuthentication(set, settings.rootNamespace));
  }
  const legacy = decideLegacyMode({ set, pod, port });
  if (legacy !== undefined) yield { level: "legacy", ...legacy };
  yield { level: "default", ...DEFAULT_DECISION };
}

function* candidateOf(
  level: ServerModeCandidate["level"],
  rule: PeerAuthentication | undefined,
): Generator<ServerModeCandidate, void> {
  if (rule !== undefined) yield { level, mode: rule.spec.mtls.mode, rule: formatResourceName(rule) };
}

/**
 * What a client knows of the server's mode before it selects an endpoint: namespace and mesh level, as in Istio, and
 * the legacy policy of the service.
 */
export function decideServiceMode(input: {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly namespace: string;
  readonly service?: LegacyService | undefined;
}): ServerModeDecision {
  const { set, settings, namespace, service } = input;
  return (
    modeOf(findUnreadable(set)) ??
    modeOf(findAuthentication(set, namespace)) ??
    modeOf(findAuthentication(set, settings.rootNamespace)) ??
    decideLegacyServiceMode({ set, namespace, service }) ??
    DEFAULT_DECISION
  );
}

/** A stand-in for a policy of which not even the namespace is known. */
function findUnreadable(set: ResourceSet): PeerAuthentication | undefined {
  return findOldest(set, UNREADABLE, ({ standsInFor }) => standsInFor === "mesh");
}

/**
 * The PeerAuthentication that selects a pod by its labels: the oldest. Selectors in the root namespace are ignored. A
 * stand-in for one whose selector is not readable may select any pod.
 */
export function findWorkloadAuthentication(
  input: Pick<ServerModeInput, "set" | "settings" | "pod">,
): PeerAuthentication | undefined {
  const { namespace, labels } = input.pod.metadata;
  if (namespace === input.settings.rootNamespace) return undefined;
  return findOldest(input.set, namespace, (rule) => {
    const selector = rule.spec.selector?.matchLabels ?? {};
    return rule.standsInFor === "namespace" || (isSelective(rule) && matchLabels(selector, labels));
  });
}

/** Whether a PeerAuthentication has a selector; an empty one does not count. */
export function isSelective(rule: PeerAuthentication): boolean {
  return Object.keys(rule.spec.selector?.matchLabels ?? {}).length > 0;
}

function findAuthentication(set: ResourceSet, namespace: string): PeerAuthentication | undefined {
  return findOldest(set, namespace, (rule) => !isSelective(rule));
}

function findOldest(
  set: ResourceSet,
  namespace: string,
  applies: (rule: PeerAuthentication) => boolean,
): PeerAuthentication | undefined {
  return (set.index.peerAuthenticationsByNamespace.get(namespace) ?? []).filter(applies).sort(compareAge)[0];
}

function modeOf(rule: PeerAuthentication | undefined): ServerModeDecision | undefined {
  if (rule === undefined || rule.spec.mtls.mode === "UNSET") return undefined;
  return { mode: rule.spec.mtls.mode, rule: formatResourceName(rule) };
}
