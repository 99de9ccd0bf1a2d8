import { createHash } from "node:crypto";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { createWarningEvent, cutToBytes } from "../../kubernetes/warning-event.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { FINDING_CODES, type FindingName } from "../../mesh/resources/finding-codes.ts";
import { CONDITION_REASON, type FollowedObject, type ObjectVersion } from "./followed-object.ts";

/** What is written about an invalid object: the same by every control plane, whatever each of them has seen before. */
export interface InvalidObjectReport {
  readonly message: string;
  readonly errors: readonly ConfigProblem[];
}

/** Longer texts are cut, so that the consequence behind them is read. */
const MAX_FAULTS_BYTES = 900;

/** What is to be said about an object; `undefined` if it is valid. */
export function reportOf({ resource, problems }: Pick<FollowedObject, "resource" | "problems">) {
  if (resource !== undefined) return undefined;
  const errors = problems.filter(({ severity }) => severity === "error");
  const faults = errors
    .map(({ field, message }) => (field === undefined ? message : `${field}: ${message}`))
    .join("; ");
  const text = `not in force: ${cutToBytes(faults, MAX_FAULTS_BYTES)}. ${CONSEQUENCE}`;
  return { message: text, errors } satisfies InvalidObjectReport;
}

const CONSEQUENCE = "The last valid version applies, or the strictest one if there is none.";

/** Whether the object's status already says what it should. */
export function isReported({ reported, reference }: FollowedObject, report: InvalidObjectReport | undefined): boolean {
  if (report === undefined) return reported === undefined;
  return reported?.message === report.message && reported.observedGeneration === reference?.generation;
}

/** The object to apply to the `status` subresource, in the form of Istio's IstioStatus (istio.io/api, meta/v1alpha1). */
export function createStatus(
  reference: ObjectVersion,
  { otherConditions = [] }: Pick<FollowedObject, "otherConditions">,
  report: InvalidObjectReport | undefined,
  nowMs: number,
): KubernetesObject {
  const { apiVersion, kind, name, namespace, uid, generation } = reference;
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }) },
    status: {
      conditions: [...otherConditions, ...(report === undefined ? [] : [createCondition(report, nowMs)])],
      validationMessages: report === undefined ? [] : createMessages(report.errors),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    },
  };
}

function createCondition({ message }: InvalidObjectReport, nowMs: number) {
  const time = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  return { type: "Reconciled", status: "False", reason: CONDITION_REASON, message, lastTransitionTime: time };
}

/** One for each kind of error: they have no text, and a large object with an error in each entry has thousands. */
function createMessages(errors: readonly ConfigProblem[]) {
  return [...new Set(errors.map(({ finding }) => finding))].map(createMessage);
}

function createMessage(finding: FindingName) {
  const code = FINDING_CODES[finding];
  const documentationUrl = `https://istio.io/latest/docs/reference/config/analysis/${code.toLowerCase()}/`;
  return { type: { name: finding, code }, level: "ERROR", ...(code.startsWith("IST") ? { documentationUrl } : {}) };
}

/** The Event about an object. Its name follows from its content, so that several control planes create one. */
export function createEvent(
  reference: ObjectVersion,
  { message }: InvalidObjectReport,
  { instance, nowMs }: { readonly instance: string; readonly nowMs: number },
): KubernetesObject {
  const { generation: _, ...regarding } = reference;
  const id = createHash("sha256")
    .update(JSON.stringify([reference.uid, message]))
    .digest("hex");
  const reporter = "entente.io/control-plane";
  return createWarningEvent({
    regarding,
    reason: "InvalidConfiguration",
    action: "Validate",
    note: message,
    reporter,
    instance,
    id,
    nowMs,
  });
}
