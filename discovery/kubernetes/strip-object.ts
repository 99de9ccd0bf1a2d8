import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { isPlainObject } from "../../mesh/resources/parsing/plain-value.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Leaves of an object only what the schemas read: of a pod about a tenth. The rest would cost memory in every control
 * plane, and would make each change of it (a heartbeat, a restart count) look like one that concerns the mesh. Values of
 * another type than expected stay as they are, so that the schema reports them.
 */
export function stripObject(object: KubernetesObject): Fields {
  const { apiVersion, kind } = object;
  return { apiVersion, kind, metadata: stripMetadata(object.metadata), ...pickFields(object, CONTENT[kind] ?? MESH) };
}

/** Annotations are read where they are Istio's; some others are as large as the object itself. */
function stripMetadata(metadata: KubernetesObject["metadata"]): Fields {
  return pickFields({ ...metadata }, METADATA);
}

type Rule = (value: unknown) => unknown;
type Rules = Readonly<Record<string, Rule>>;

const same: Rule = (value) => value;

/** The fields of a mapping. */
function within(rules: Rules): Rule {
  return (value) => (isPlainObject(value) ? pickFields(value, rules) : value);
}

/** The fields of each mapping of a list. */
function each(rules: Rules): Rule {
  return (value) => (Array.isArray(value) ? value.map(within(rules)) : value);
}

function pickFields(fields: Fields, rules: Rules): Fields {
  const kept: Record<string, unknown> = {};
  for (const [field, rule] of Object.entries(rules)) {
    const value = rule(fields[field]);
    if (value !== undefined) kept[field] = value;
  }
  return kept;
}

const istioAnnotations: Rule = (value) => {
  if (!isPlainObject(value)) return value;
  const found = Object.entries(value).filter(([name]) => /(?:^|\.)istio\.io\//.test(name) && !name.endsWith("/status"));
  return found.length === 0 ? undefined : Object.fromEntries(found);
};

const METADATA: Rules = {
  name: same,
  namespace: same,
  uid: same,
  creationTimestamp: same,
  deletionTimestamp: same,
  labels: same,
  annotations: istioAnnotations,
  ownerReferences: each({ kind: same, name: same }),
};

const PORTS: Rules = { name: same, containerPort: same, protocol: same };
const CONTAINER: Rules = { name: same, image: same, ports: each(PORTS), restartPolicy: same };

/** Init containers that end serve nothing. */
const nativeSidecars: Rule = (value) => {
  if (!Array.isArray(value)) return value;
  const lasting = value.filter((container) => !isPlainObject(container) || container["restartPolicy"] === "Always");
  return lasting.length === 0 ? undefined : each(CONTAINER)(lasting);
};

const POD_SPEC: Rules = {
  serviceAccountName: same,
  containers: each(CONTAINER),
  initContainers: nativeSidecars,
  hostNetwork: same,
};

/** Of the conditions only this one decides, and its times change without it. */
const readyCondition: Rule = (value) => {
  if (!Array.isArray(value)) return value;
  const ready = value.filter((condition) => !isPlainObject(condition) || condition["type"] === "Ready");
  return each({ type: same, status: same })(ready);
};

const POD_STATUS: Rules = { podIP: same, podIPs: same, phase: same, conditions: readyCondition };

const SERVICE_PORTS: Rules = { name: same, port: same, targetPort: same, protocol: same, appProtocol: same };
const SERVICE_SPEC: Rules = {
  type: same,
  selector: same,
  clusterIP: same,
  clusterIPs: same,
  publishNotReadyAddresses: same,
  externalName: same,
  ports: each(SERVICE_PORTS),
};

const REFERENCE: Rules = { kind: same, name: same, namespace: same, uid: same };
const CONDITIONS: Rules = { ready: same, serving: same, terminating: same };
const SLICE: Rules = {
  addressType: same,
  endpoints: each({
    addresses: same,
    conditions: within(CONDITIONS),
    targetRef: within(REFERENCE),
  }),
  ports: each({ name: same, port: same, protocol: same, appProtocol: same }),
};

const MESH: Rules = { spec: same };

const CONTENT: Readonly<Record<string, Rules>> = {
  Namespace: {},
  Pod: { spec: within(POD_SPEC), status: within(POD_STATUS) },
  Service: { spec: within(SERVICE_SPEC) },
  EndpointSlice: SLICE,
};
