import { SIDECAR_NAME } from "../pod.ts";
import { SYSTEM_NAMESPACES } from "./system-namespaces.ts";

/** Kubernetes' MutatingWebhookConfiguration, with the fields that the injector sets. */
export interface MutatingWebhookConfiguration {
  readonly apiVersion: "admissionregistration.k8s.io/v1";
  readonly kind: "MutatingWebhookConfiguration";
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly webhooks: readonly MutatingWebhook[];
}

export interface MutatingWebhook {
  readonly name: string;
  readonly clientConfig: WebhookClientConfig;
  readonly rules: readonly WebhookRule[];
  readonly namespaceSelector: LabelSelector;
  readonly objectSelector: LabelSelector;
  readonly admissionReviewVersions: readonly ["v1"];
  readonly sideEffects: "None";
  /** All must hold for a request to be sent; a list that is absent holds. */
  readonly matchConditions?: readonly MatchCondition[];
  readonly failurePolicy: "Fail";
  readonly reinvocationPolicy: "Never";
  readonly matchPolicy: "Equivalent";
  readonly timeoutSeconds: number;
}

export interface MatchCondition {
  readonly name: string;
  /** In CEL, over `object`, `oldObject` and `request`. */
  readonly expression: string;
}

export interface WebhookClientConfig {
  readonly service: { readonly name: string; readonly namespace: string; readonly path: string; readonly port: number };
  /** The roots for the webhook's certificate: PEM in base64. */
  readonly caBundle?: string;
}

export interface WebhookRule {
  readonly operations: readonly ("CREATE" | "UPDATE")[];
  readonly apiGroups: readonly [""];
  readonly apiVersions: readonly ["v1"];
  readonly resources: readonly ("pods" | "pods/ephemeralcontainers")[];
  readonly scope: "*";
}

const NEW_PODS: readonly WebhookRule[] = [
  { operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], scope: "*" },
];
/** A running pod can get other images, and ephemeral containers by `kubectl debug`. */
const RUNNING_PODS: readonly WebhookRule[] = [
  {
    operations: ["UPDATE"],
    apiGroups: [""],
    apiVersions: ["v1"],
    resources: ["pods", "pods/ephemeralcontainers"],
    scope: "*",
  },
];

/** Whether one of a list's containers has another image than before. */
const changesImage = (list: string): string =>
  `${list}.exists(c, !old${list.replace("object", "Object")}.exists(o, o.name == c.name && o.image == c.image))`;

/**
 * Few updates of running pods are of interest, so few depend on the injector: never those of labels, annotations and
 * finalizers.
 */
const RUNNING_PODS_CONDITIONS: readonly MatchCondition[] = [
  {
    name: "has-a-sidecar",
    expression: `object.spec.containers.exists(c, c.name == '${SIDECAR_NAME}') || (has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == '${SIDECAR_NAME}'))`,
  },
  {
    name: "changes-what-runs",
    // An absent field is an error in CEL, and an error would refuse every update.
    expression: `(has(request.subResource) && request.subResource == 'ephemeralcontainers') || ${changesImage("object.spec.containers")} || (has(object.spec.initContainers) && ${changesImage("object.spec.initContainers")})`,
  },
];

export interface LabelSelector {
  readonly matchExpressions: readonly LabelRequirement[];
}

export type LabelRequirement =
  | { readonly key: string; readonly operator: "In" | "NotIn"; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: "Exists" | "DoesNotExist" };

export interface WebhookConfigurationOptions {
  /** @default "default" */
  readonly revision?: string;
  /** The injector's namespace. @default "istio-system" */
  readonly controlPlaneNamespace?: string;
  /** @default "istio-sidecar-injector", for another revision with its suffix */
  readonly serviceName?: string;
  /** Root certificates of the webhook's certificate, in PEM. */
  readonly rootCertificates?: string;
  /** @default 10 */
  readonly timeoutSeconds?: number;
}

export type Labels = Readonly<Record<string, string>>;

const INJECTION = "istio-injection";
const REVISION = "istio.io/rev";
const INJECT = "sidecar.istio.io/inject";
/** Kubernetes gives every namespace this label. */
export const NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name";

/**
 * Which pods the API server sends to the webhook: Istio's four entries for new pods, and one for running ones. Failing closed is safe because no namespace
 * label can select the control plane's own namespace or a system namespace (istio#26380: a webhook that blocked its own
 * restart).
 */
export function mutatingWebhookConfiguration(options: WebhookConfigurationOptions = {}): MutatingWebhookConfiguration {
  const revision = options.revision ?? "default";
  const name = `istio-sidecar-injector${revision === "default" ? "" : `-${revision}`}`;
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name, labels: { [REVISION]: revision, app: "sidecar-injector" } },
    webhooks: entries(revision, options.controlPlaneNamespace ?? "istio-system").map((entry) => ({
      name: `${entry.name}.sidecar-injector.istio.io`,
      clientConfig: clientConfig({ serviceName: name, ...options }),
      rules: entry.rules ?? NEW_PODS,
      namespaceSelector: { matchExpressions: entry.namespace },
      objectSelector: { matchExpressions: entry.object },
      admissionReviewVersions: ["v1"],
      ...(entry.conditions && { matchConditions: entry.conditions }),
      sideEffects: "None",
      failurePolicy: "Fail",
      reinvocationPolicy: "Never",
      matchPolicy: "Equivalent",
      timeoutSeconds: options.timeoutSeconds ?? 10,
    })),
  };
}

/** Whether the API server would send this new pod in this namespace to the webhook. */
export function matchesWebhook(
  configuration: MutatingWebhookConfiguration,
  namespaceLabels: Labels,
  podLabels: Labels,
): boolean {
  return configuration.webhooks.some(
    (webhook) =>
      webhook.rules === NEW_PODS &&
      matchesSelector(webhook.namespaceSelector, namespaceLabels) &&
      matchesSelector(webhook.objectSelector, podLabels),
  );
}

interface Entry {
  readonly name: string;
  readonly namespace: readonly LabelRequirement[];
  readonly object: readonly LabelRequirement[];
  /** @default new pods */
  readonly rules?: readonly WebhookRule[];
  readonly conditions?: readonly MatchCondition[];
}

/**
 * New pods by revision; for the default revision also by `istio-injection: enabled` or the pod's own label. Running pods
 * by their containers alone: their author could change their labels first.
 */
function entries(revision: string, controlPlaneNamespace: string): readonly Entry[] {
  const isDefault = revision === "default";
  const notSystem = isNot(NAMESPACE_NAME_LABEL, ...SYSTEM_NAMESPACES);
  const notOurs = isNot(NAMESPACE_NAME_LABEL, ...SYSTEM_NAMESPACES, controlPlaneNamespace);
  const notRefused = isNot(INJECT, "false");
  const unlabelled = [isAbsent(INJECTION), isAbsent(REVISION), notSystem];
  const byRevision: readonly Entry[] = [
    { name: "rev.namespace", namespace: [is(REVISION, revision), isAbsent(INJECTION), notOurs], object: [notRefused] },
    { name: "rev.object", namespace: unlabelled, object: [notRefused, is(REVISION, revision)] },
    { name: "running", namespace: [notOurs], object: [], rules: RUNNING_PODS, conditions: RUNNING_PODS_CONDITIONS },
  ];
  if (!isDefault) return byRevision;
  return [
    ...byRevision,
    { name: "namespace", namespace: [is(INJECTION, "enabled"), notOurs], object: [notRefused] },
    { name: "object", namespace: unlabelled, object: [is(INJECT, "true"), isAbsent(REVISION)] },
  ];
}

function clientConfig(
  options: WebhookConfigurationOptions & Required<Pick<WebhookConfigurationOptions, "serviceName">>,
): WebhookClientConfig {
  const namespace = options.controlPlaneNamespace ?? "istio-system";
  const service = { name: options.serviceName, namespace, path: "/inject", port: 443 };
  const { rootCertificates } = options;
  if (rootCertificates === undefined) return { service };
  return { service, caBundle: Buffer.from(rootCertificates).toString("base64") };
}

function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  return selector.matchExpressions.every((requirement) => matchesRequirement(requirement, labels));
}

/** As in Kubernetes: `NotIn` matches if the label is absent. */
function matchesRequirement(requirement: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case "In":
      return value !== undefined && requirement.values.includes(value);
    case "NotIn":
      return value === undefined || !requirement.values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

function is(key: string, ...values: readonly string[]): LabelRequirement {
  return { key, operator: "In", values };
}

function isNot(key: string, ...values: readonly string[]): LabelRequirement {
  return { key, operator: "NotIn", values };
}

function isAbsent(key: string): LabelRequirement {
  return { key, operator: "DoesNotExist" };
}
