import { isDeepStrictEqual } from "node:util";
import { apiVersionOf } from "../../kinds.ts";
import type { KubernetesObject, NewKubernetesObject, ObjectMeta } from "../../kubernetes-api.ts";
import { isFields } from "../../requests/api-response.ts";
import { badRequest, invalidObject } from "./refused-request.ts";
import type { ServedKind } from "./served-kinds.ts";

export interface NewObjectFacts {
  readonly uid: string;
  readonly nowMs: number;
  /** Five characters for `generateName`. */
  readonly suffix: string;
}

/** An object as it is stored when it was created: named, identified and dated. */
export function newObject(kind: ServedKind, given: NewKubernetesObject, facts: NewObjectFacts): KubernetesObject {
  checkKind(kind, given);
  const { name, generateName, resourceVersion } = namesOf(given.metadata);
  if (resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
  const fullName = name || (generateName ? `${generateName}${facts.suffix}` : "");
  if (fullName === "")
    throw invalidObject(kind.kind, "", "metadata.name: Required value: name or generateName is required");
  checkName(kind, fullName);
  const content = kind.hasStatus && !isLenientAboutStatus(kind) ? withoutStatus(given) : given;
  return {
    ...content,
    apiVersion: given.apiVersion,
    kind: given.kind,
    ...(kind.plural === "namespaces" && { status: given["status"] ?? { phase: "Active" } }),
    metadata: {
      ...given.metadata,
      ...(kind.plural === "namespaces" && { labels: { ...given.metadata.labels, [NAME_LABEL]: fullName } }),
      name: fullName,
      uid: facts.uid,
      creationTimestamp: new Date(facts.nowMs).toISOString().replace(/\.\d+Z$/, "Z"),
      ...("spec" in given && { generation: 1 }),
    },
  };
}

/** The server sets it on every namespace, so that webhooks can select one by name. */
const NAME_LABEL = "kubernetes.io/metadata.name";

/** Tests create pods and nodes with the status that a kubelet would write. */
function isLenientAboutStatus({ plural }: ServedKind): boolean {
  return ["pods", "nodes"].includes(plural);
}

/** An object as it is stored when it was replaced. What the caller may not change stays. */
export function updatedObject(
  kind: ServedKind,
  previous: KubernetesObject,
  given: KubernetesObject,
  subresource: "status" | undefined,
): KubernetesObject {
  checkKind(kind, given);
  const { uid, creationTimestamp, generation, namespace, name, deletionTimestamp } = previous.metadata;
  if (given.metadata.uid !== undefined && given.metadata.uid !== uid) {
    throw invalidObject(kind.kind, name, "metadata.uid: Invalid value: field is immutable");
  }
  if (subresource === "status") return { ...previous, ...("status" in given && { status: given["status"] }) };
  const kept = { name, ...(namespace !== undefined && { namespace }), ...(uid && { uid }) };
  const { status: _, ...content } = given;
  const status = kind.hasStatus ? previous["status"] : given["status"];
  const hasNewSpec = !isDeepStrictEqual(previous["spec"], given["spec"]);
  return {
    ...content,
    apiVersion: given.apiVersion,
    kind: given.kind,
    ...(status !== undefined && { status }),
    metadata: {
      ...given.metadata,
      ...kept,
      ...(creationTimestamp && { creationTimestamp }),
      ...(deletionTimestamp && { deletionTimestamp }),
      ...(generation !== undefined && { generation: hasNewSpec ? generation + 1 : generation }),
    },
  };
}

/** Whether an update would change nothing: the server then stores nothing, and no watch sees it. */
export function isSameContent(one: KubernetesObject, other: KubernetesObject): boolean {
  return isDeepStrictEqual(comparable(one), comparable(other));
}

/** What the server writes into a new object's metadata. */
export function identityOf({ labels, annotations, finalizers, ownerReferences, ...identity }: ObjectMeta): ObjectMeta {
  return identity;
}

/** An applied object without what the addressed part does not hold: status, or all but status. */
export function withoutOtherPart(
  { hasStatus }: ServedKind,
  given: KubernetesObject,
  subresource: "status" | undefined,
): KubernetesObject {
  const { apiVersion, kind, metadata, status, ...content } = given;
  const identity = { apiVersion, kind, metadata: identityOf(metadata) };
  if (subresource === "status") return { ...identity, ...(status !== undefined && { status }) };
  return { ...content, ...(!hasStatus && status !== undefined && { status }), apiVersion, kind, metadata };
}

/** An object in the version in which it was requested. */
export function inVersion(object: KubernetesObject, kind: ServedKind): KubernetesObject {
  return { ...object, apiVersion: apiVersionOf(kind) };
}

function comparable({ metadata, apiVersion: _, ...content }: KubernetesObject): unknown {
  const { resourceVersion, managedFields, ...rest } = metadata;
  return { ...content, metadata: rest };
}

function checkKind(kind: ServedKind, given: { readonly apiVersion: string; readonly kind: string }): void {
  if (given.kind !== kind.kind || given.apiVersion !== apiVersionOf(kind)) {
    const text = `${given.apiVersion} ${given.kind} in a request for ${apiVersionOf(kind)} ${kind.kind}`;
    throw badRequest(`the object does not match the path: ${text}`);
  }
}

/** RBAC's names may have colons. */
const NAME = /^[a-z0-9A-Z]([-.a-z0-9A-Z:]*[a-z0-9A-Z])?$/;

function checkName({ kind }: ServedKind, name: string): void {
  if (name.length > 253 || !NAME.test(name)) {
    throw invalidObject(kind, name, "metadata.name: Invalid value: a lowercase RFC 1123 subdomain is required");
  }
}

function namesOf(metadata: object): Readonly<Record<"name" | "generateName" | "resourceVersion", string | undefined>> {
  const fields = isFields(metadata) ? metadata : {};
  const text = (field: string): string | undefined => (typeof fields[field] === "string" ? fields[field] : undefined);
  return { name: text("name"), generateName: text("generateName"), resourceVersion: text("resourceVersion") };
}

function withoutStatus(given: NewKubernetesObject): NewKubernetesObject {
  const { status: _, ...content } = given;
  return { ...content, apiVersion: given.apiVersion, kind: given.kind, metadata: given.metadata };
}
