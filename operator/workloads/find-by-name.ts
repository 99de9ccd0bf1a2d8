import { formatServiceHost, workloadInfo } from "../../mesh/policy/workloads.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Service } from "../../mesh/resources/kinds/service.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { OperatorError } from "../operator-error.ts";
import type { TlsFacts } from "../tls/tls-table.ts";

const SHOWN_NAMES = 5;

/**
 * The pod that a user means by `NAME` or `NAME.NAMESPACE`: the pod of that name, or any pod of the workload of that name,
 * since replicas behave alike.
 * @throws OperatorError `not_found`, `ambiguous`
 */
export function findPod(set: ResourceSet, text: string, defaultNamespace: string | undefined): Pod {
  const found = findPods(set, text, defaultNamespace);
  const exact = found.find(({ metadata }) => metadata.name === text) ?? found[0];
  const namespaces = new Set(found.map(({ metadata }) => metadata.namespace));
  if (exact === undefined) throw notFound("pod", text, defaultNamespace, [...set.pods.values()]);
  if (namespaces.size > 1) throw ambiguous("pod", text, namespaces);
  return exact;
}

/**
 * The service that a user means by `NAME`, `NAME.NAMESPACE` or a longer part of its host.
 * @throws OperatorError `not_found`, `ambiguous`
 */
export function findService(facts: TlsFacts, text: string, defaultNamespace: string | undefined): Service {
  const found = findServices(facts, text, defaultNamespace);
  const [first] = found;
  if (first === undefined) throw notFound("service", text, defaultNamespace, [...facts.set.services.values()]);
  if (found.length > 1) throw ambiguous("service", text, new Set(found.map(({ metadata }) => metadata.namespace)));
  return first;
}

/** What a name that may be a service's or a pod's is the name of: a service before a pod. */
export type NamedTarget =
  | { readonly kind: "service"; readonly service: Service }
  | { readonly kind: "pod"; readonly pod: Pod };

/**
 * The service of a name, or if there is none the pod.
 * @throws OperatorError `not_found`, `ambiguous`
 */
export function findServiceOrPod(facts: TlsFacts, text: string, defaultNamespace: string | undefined): NamedTarget {
  if (findServices(facts, text, defaultNamespace).length > 0) {
    return { kind: "service", service: findService(facts, text, defaultNamespace) };
  }
  if (findPods(facts.set, text, defaultNamespace).length > 0) {
    return { kind: "pod", pod: findPod(facts.set, text, defaultNamespace) };
  }
  throw notFound("service or pod", text, defaultNamespace, [...facts.set.services.values()]);
}

function findPods(set: ResourceSet, text: string, defaultNamespace: string | undefined): readonly Pod[] {
  return candidates(text, defaultNamespace).flatMap(({ name, namespace }) =>
    [...set.pods.values()].filter(
      (pod) =>
        (namespace === undefined || pod.metadata.namespace === namespace) &&
        (pod.metadata.name === name || workloadInfo(pod).workload === name),
    ),
  );
}

function findServices(
  { set, settings }: TlsFacts,
  text: string,
  defaultNamespace: string | undefined,
): readonly Service[] {
  return [...set.services.values()].filter(
    (service) =>
      `${formatServiceHost(service, settings)}.`.startsWith(`${text}.`) &&
      (text.includes(".") || defaultNamespace === undefined || service.metadata.namespace === defaultNamespace),
  );
}

interface Candidate {
  readonly name: string;
  /** Undefined: any. */
  readonly namespace: string | undefined;
}

/** A pod's name may have dots: the last part is a namespace only where there is such a pod. */
function candidates(text: string, defaultNamespace: string | undefined): readonly Candidate[] {
  const whole = { name: text, namespace: defaultNamespace };
  const dot = text.lastIndexOf(".");
  return dot < 0 ? [whole] : [{ name: text.slice(0, dot), namespace: text.slice(dot + 1) }, whole];
}

function notFound(
  what: string,
  text: string,
  namespace: string | undefined,
  known: readonly (Pod | Service)[],
): OperatorError {
  const names = known
    .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
    .map(({ metadata }) => `${metadata.name}.${metadata.namespace}`)
    .sort();
  const place = namespace === undefined || text.includes(".") ? "" : ` in namespace ${namespace}`;
  const shown = names.slice(0, SHOWN_NAMES).join(", ");
  const hint = names.length === 0 ? "there is none" : `there is ${shown}${names.length > SHOWN_NAMES ? " …" : ""}`;
  return new OperatorError("not_found", `there is no ${what} ${text}${place}; ${hint}`);
}

function ambiguous(what: string, text: string, namespaces: ReadonlySet<string>): OperatorError {
  const choices = [...namespaces].sort().map((namespace) => `${text}.${namespace}`);
  return new OperatorError("ambiguous", `the ${what} ${text} is in several namespaces: say ${choices.join(" or ")}`);
}
