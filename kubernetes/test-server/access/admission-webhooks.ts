import { randomUUID } from "node:crypto";
import { Agent, request } from "undici";
import { KINDS } from "../../kinds.ts";
import type { ApiKind, KubernetesObject, NewKubernetesObject } from "../../kubernetes-api.ts";
import { type Fields, isFields } from "../../requests/api-response.ts";
import { jsonPatch } from "../storage/patches.ts";
import { RefusedRequest } from "../storage/refused-request.ts";
import { parseLabelSelector } from "../storage/selectors.ts";
import { storageKey } from "../storage/served-kinds.ts";
import type { TestCluster } from "../test-cluster.ts";
import type { Identity } from "./identities.ts";

/** A write that is about to be stored. */
export interface AdmissionAttempt<Content extends NewKubernetesObject = KubernetesObject> {
  readonly kind: ApiKind;
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly object: Content;
  readonly previous: KubernetesObject | undefined;
  readonly identity: Identity;
  readonly isDryRun: boolean;
}

export interface AdmissionDeps {
  readonly cluster: TestCluster;
  readonly resolve: ResolveService;
  /** Receives the webhooks' warnings. */
  readonly warn: (text: string) => void;
}

/** Where a webhook's Service is on this machine: `127.0.0.1:8443`; undefined: nothing listens. */
export type ResolveService = (namespace: string, name: string, port: number) => string | undefined;

/**
 * The object as the cluster's mutating webhooks leave it. A new object still has what its creator wrote: no uid, and
 * with `generateName` no name. Throws the refusal of a webhook.
 */
export async function mutateByWebhooks<Content extends NewKubernetesObject>(
  deps: AdmissionDeps,
  attempt: AdmissionAttempt<Content>,
): Promise<Content> {
  let { object } = attempt;
  for (const webhook of webhooksOf(deps.cluster, KINDS.mutatingWebhooks)) {
    const response = await askWebhook(deps, webhook, { ...attempt, object });
    object = patched(object, response);
  }
  return object;
}

/** Throws the refusal of a validating webhook. */
export async function validateByWebhooks(deps: AdmissionDeps, attempt: AdmissionAttempt): Promise<void> {
  for (const webhook of webhooksOf(deps.cluster, KINDS.validatingWebhooks)) await askWebhook(deps, webhook, attempt);
}

type AnyAttempt = AdmissionAttempt<NewKubernetesObject>;

/** Empty where the webhook does not select the object. */
async function askWebhook(deps: AdmissionDeps, webhook: Fields, attempt: AnyAttempt): Promise<Fields> {
  if (!isSelected(deps.cluster, webhook, attempt)) return {};
  const response = await callWebhook(webhook, deps.resolve, attempt);
  for (const warning of Array.isArray(response["warnings"]) ? response["warnings"] : []) deps.warn(String(warning));
  if (response["allowed"] !== true) throw denial(webhook, response);
  return response;
}

function webhooksOf(cluster: TestCluster, kind: ApiKind): readonly Fields[] {
  const configurations = cluster.history.list(storageKey(kind));
  return configurations.flatMap(({ webhooks }) => (Array.isArray(webhooks) ? webhooks.filter(isFields) : []));
}

function isSelected(cluster: TestCluster, webhook: Fields, { kind, operation, object }: AnyAttempt): boolean {
  const rules = Array.isArray(webhook["rules"]) ? webhook["rules"].filter(isFields) : [];
  const isCovered = rules.some(
    (rule) =>
      includes(rule["operations"], operation) &&
      includes(rule["apiGroups"], kind.group) &&
      includes(rule["apiVersions"], kind.version) &&
      includes(rule["resources"], kind.plural),
  );
  if (!isCovered || !matchesSelector(webhook["objectSelector"], object)) return false;
  if (!kind.isNamespaced) return true;
  const namespace = cluster.history.get(storageKey(KINDS.namespaces), object.metadata.namespace ?? "");
  return namespace !== undefined && matchesSelector(webhook["namespaceSelector"], namespace);
}

/** A LabelSelector object, by its text form. */
function matchesSelector(selector: unknown, object: NewKubernetesObject): boolean {
  if (!isFields(selector)) return true;
  const labels = isFields(selector["matchLabels"]) ? Object.entries(selector["matchLabels"]) : [];
  const expressions = Array.isArray(selector["matchExpressions"]) ? selector["matchExpressions"].filter(isFields) : [];
  const parts = [...labels.map(([key, value]) => `${key}=${value}`), ...expressions.map(formatExpression)];
  return parseLabelSelector(parts.join(","))(object);
}

function formatExpression({ key, operator, values }: Fields): string {
  const list = Array.isArray(values) ? values.join(",") : "";
  switch (operator) {
    case "In":
      return `${key} in (${list})`;
    case "NotIn":
      return `${key} notin (${list})`;
    case "Exists":
      return `${key}`;
    default:
      return `!${key}`;
  }
}

async function callWebhook(webhook: Fields, resolve: ResolveService, attempt: AnyAttempt): Promise<Fields> {
  const seconds = typeof webhook["timeoutSeconds"] === "number" ? webhook["timeoutSeconds"] : 10;
  try {
    return await postReview(webhook, resolve, { attempt, signal: AbortSignal.timeout(seconds * 1000) });
  } catch (caught) {
    if (webhook["failurePolicy"] === "Ignore") return { allowed: true };
    const why = caught instanceof Error ? caught.message : String(caught);
    throw new RefusedRequest(
      500,
      "InternalError",
      `Internal error occurred: failed calling webhook "${webhook["name"]}": ${why}`,
    );
  }
}

interface ReviewCall {
  readonly attempt: AnyAttempt;
  readonly signal: AbortSignal;
}

async function postReview(webhook: Fields, resolve: ResolveService, { attempt, signal }: ReviewCall): Promise<Fields> {
  const { url, ca, servername } = endpointOf(webhook, resolve);
  const agent = new Agent({
    connect: { ...(ca !== undefined && { ca }), ...(servername !== undefined && { servername }) },
  });
  try {
    const response = await request(url, {
      method: "POST",
      dispatcher: agent,
      signal,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(formatReview(attempt)),
    });
    const review: unknown = await response.body.json();
    if (response.statusCode === 200 && isFields(review) && isFields(review["response"])) return review["response"];
    throw new TypeError(`an unusable response with status ${response.statusCode}`);
  } finally {
    await agent.destroy();
  }
}

interface WebhookEndpoint {
  readonly url: string;
  readonly ca: string | undefined;
  readonly servername: string | undefined;
}

function endpointOf({ clientConfig }: Fields, resolve: ResolveService): WebhookEndpoint {
  const config = isFields(clientConfig) ? clientConfig : {};
  const ca = typeof config["caBundle"] === "string" ? Buffer.from(config["caBundle"], "base64").toString() : undefined;
  if (typeof config["url"] === "string") return { url: config["url"], ca, servername: undefined };
  const { namespace, name, port = 443, path = "/" } = isFields(config["service"]) ? config["service"] : {};
  const address = resolve(String(namespace), String(name), Number(port));
  if (address === undefined) throw new TypeError(`no endpoints available for service "${name}"`);
  return { url: `https://${address}${path}`, ca, servername: `${name}.${namespace}.svc` };
}

function formatReview({ kind, operation, object, previous, identity, isDryRun }: AnyAttempt): Fields {
  const { group, version } = kind;
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: randomUUID(),
      kind: { group, version, kind: kind.kind },
      resource: { group, version, resource: kind.plural },
      requestKind: { group, version, kind: kind.kind },
      requestResource: { group, version, resource: kind.plural },
      ...("name" in object.metadata && { name: object.metadata.name }),
      ...(object.metadata.namespace !== undefined && { namespace: object.metadata.namespace }),
      operation,
      userInfo: { username: identity.name, groups: identity.groups },
      object: operation === "DELETE" ? null : object,
      oldObject: previous ?? null,
      dryRun: isDryRun,
      options: null,
    },
  };
}

function patched<Content extends NewKubernetesObject>(object: Content, { patch }: Fields): Content {
  if (typeof patch !== "string") return object;
  const operations: unknown = JSON.parse(Buffer.from(patch, "base64").toString());
  const result = jsonPatch(object, operations);
  if (isSameKind(result, object)) return result;
  throw new TypeError("the webhook's patch destroys the object");
}

function isSameKind<Content extends NewKubernetesObject>(result: unknown, object: Content): result is Content {
  return isFields(result) && isFields(result["metadata"]) && result["kind"] === object.kind;
}

function denial({ name }: Fields, { status }: Fields): RefusedRequest {
  const given = isFields(status) ? status : {};
  const code = typeof given["code"] === "number" ? given["code"] : 403;
  const reason = typeof given["reason"] === "string" ? given["reason"] : "Forbidden";
  const text = typeof given["message"] === "string" ? `: ${given["message"]}` : " without explanation";
  return new RefusedRequest(code, reason, `admission webhook "${name}" denied the request${text}`);
}

function includes(values: unknown, wanted: string): boolean {
  return Array.isArray(values) && (values.includes("*") || values.includes(wanted) || values.includes("*/*"));
}
