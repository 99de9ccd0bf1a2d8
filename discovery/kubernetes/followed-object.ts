import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { keyOf } from "../../kubernetes/reflector/object-store.ts";
import type { ObjectReference } from "../../kubernetes/warning-event.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import { fieldOf, isPlainObject, type PlainValue, plainFromUnknown } from "../../mesh/resources/parsing/plain-value.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import { stripObject } from "./strip-object.ts";

/** What is kept of an object of the API server. */
export interface FollowedObject {
  readonly key: string;
  /** Absent: the object is invalid. */
  readonly resource?: Resource;
  /** Takes the place of an invalid object that was never valid. */
  readonly standIn?: Resource;
  readonly problems: readonly ConfigProblem[];
  /** Only of an object about which something is to be reported, or was. */
  readonly reference?: ObjectVersion;
  /** The condition that a control plane of ours has written, if the object has it. */
  readonly reported?: ReportedCondition;
  /** The conditions of others, only where there is a `reference`. */
  readonly otherConditions?: readonly PlainValue[];
}

/** Names one version of an object's specification. */
export interface ObjectVersion extends ObjectReference {
  readonly generation?: number;
}

export interface ReportedCondition {
  readonly message: string;
  readonly observedGeneration?: number;
}

/** Distinguishes our conditions from those that others write. */
export const CONDITION_REASON = "EntenteInvalidConfiguration";

/**
 * Reads an object of the API server by itself, so that its errors concern no other one. A pod whose containers have ended
 * is left out: it neither calls nor serves, and completed Jobs keep thousands of them.
 */
export function readObject(object: KubernetesObject): FollowedObject | undefined {
  if (isFinishedPod(object)) return undefined;
  const { resources, standIns, problems } = parseObject(stripObject(object));
  const [resource] = resources;
  const [standIn] = standIns;
  const conditions = readConditions(object);
  const reported = conditions.find(isOurs);
  const isOfInterest = resource === undefined || reported !== undefined;
  return {
    key: keyOf(object.metadata),
    ...(resource === undefined ? {} : { resource }),
    ...(standIn === undefined ? {} : { standIn }),
    problems,
    ...(reported === undefined ? {} : { reported: readReported(reported, object) }),
    ...(isOfInterest
      ? {
          reference: createReference(object),
          otherConditions: conditions.filter((condition) => !isOurs(condition)),
        }
      : {}),
  };
}

function createReference({ apiVersion, kind, metadata }: KubernetesObject): ObjectVersion {
  const { name, namespace, uid, generation } = metadata;
  return {
    apiVersion,
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(generation === undefined ? {} : { generation }),
  };
}

function isFinishedPod({ kind, status }: KubernetesObject): boolean {
  if (kind !== "Pod" || !isPlainObject(status)) return false;
  return status["phase"] === "Succeeded" || status["phase"] === "Failed";
}

function readConditions({ status }: KubernetesObject): readonly PlainValue[] {
  if (!isPlainObject(status)) return [];
  const conditions = plainFromUnknown(status["conditions"] ?? []);
  return conditions.kind === "plain" && Array.isArray(conditions.value) ? conditions.value : [];
}

function isOurs(condition: PlainValue): boolean {
  return fieldOf(condition, "reason") === CONDITION_REASON;
}

function readReported(condition: PlainValue, { status }: KubernetesObject): ReportedCondition {
  const message = fieldOf(condition, "message");
  const generation = isPlainObject(status) ? fieldOf(status, "observedGeneration") : undefined;
  return {
    message: typeof message === "string" ? message : "",
    ...(typeof generation === "number" ? { observedGeneration: generation } : {}),
  };
}
