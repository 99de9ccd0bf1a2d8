import { randomUUID } from "node:crypto";
import { applyPatch, type Operation } from "rfc6902";
import { Agent, request } from "undici";
import {
  type MutatingWebhookConfiguration,
  matchesWebhook,
} from "../../injector/admission/selection/webhook-configuration.ts";
import { LocalError } from "../local-error.ts";
import { recordOf, stringsOf } from "../read-manifests.ts";
import type { PlannedPod } from "./plan-pods.ts";

export interface AdmissionOptions {
  readonly configuration: MutatingWebhookConfiguration;
  /** `https://ADDRESS:PORT` of the webhook's Service. */
  readonly origin: string;
  /** The name in the webhook's certificate. */
  readonly serverName: string;
  readonly rootCertificates: string;
}

/** What the API server does before it stores a pod: calls the webhook if its selectors match, and patches the pod. */
export interface Admission {
  admit(pod: PlannedPod, namespaceLabels: Readonly<Record<string, string>>): Promise<PlannedPod>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 10_000;

export function createAdmission(options: AdmissionOptions): Admission {
  const agent = new Agent({
    connect: { ca: options.rootCertificates, servername: options.serverName, timeout: TIMEOUT_MS },
  });
  return {
    admit: async (pod, namespaceLabels) => {
      const labels = { ...namespaceLabels, "kubernetes.io/metadata.name": pod.namespace };
      const podLabels = stringsOf(recordOf(pod.object["metadata"])["labels"]);
      if (!matchesWebhook(options.configuration, labels, podLabels)) return pod;
      return patchPod(pod, await askWebhook(pod, agent, options.origin));
    },
    close: () => agent.close(),
  };
}

/** The failure policy is Fail: without a response there is no pod. */
async function askWebhook(pod: PlannedPod, agent: Agent, origin: string): Promise<Readonly<Record<string, unknown>>> {
  const what = `Pod/${pod.name}.${pod.namespace}`;
  const uid = randomUUID();
  const review = {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid,
      kind: { group: "", version: "v1", kind: "Pod" },
      resource: { group: "", version: "v1", resource: "pods" },
      name: pod.name,
      namespace: pod.namespace,
      operation: "CREATE",
      object: pod.object,
    },
  };
  try {
    const { statusCode, body } = await request(`${origin}/inject`, {
      dispatcher: agent,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(review),
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    const text = await body.text();
    if (statusCode !== 200)
      throw new LocalError("admission_failed", `${what}: the webhook responded with ${statusCode}: ${text}`);
    const response = recordOf(recordOf(JSON.parse(text))["response"]);
    if (response["uid"] !== uid)
      throw new LocalError("admission_failed", `${what}: the webhook responded to another review`);
    return response;
  } catch (cause) {
    if (cause instanceof LocalError) throw cause;
    throw new LocalError("admission_failed", `${what}: the webhook did not respond: ${String(cause)}`, { cause });
  }
}

function patchPod(pod: PlannedPod, response: Readonly<Record<string, unknown>>): PlannedPod {
  const what = `Pod/${pod.name}.${pod.namespace}`;
  if (response["allowed"] !== true) {
    const { message } = recordOf(response["status"]);
    throw new LocalError("admission_failed", `${what} was refused by the webhook: ${String(message)}`);
  }
  const { patch } = response;
  if (typeof patch !== "string") return pod;
  const object = structuredClone(pod.object);
  const operations: Operation[] = JSON.parse(Buffer.from(patch, "base64").toString("utf8"));
  const [failure] = applyPatch(object, operations).filter((error) => error !== null);
  if (failure !== undefined)
    throw new LocalError("admission_failed", `${what}: the webhook's patch does not fit: ${failure.message}`);
  return { ...pod, object };
}
