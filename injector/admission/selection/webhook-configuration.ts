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
  readonly failurePolicy: "Fail";
  readonly reinvocationPolicy: "Never";
  readonly matchPolicy: "Equivalent";
  readonly timeoutSeconds: number;
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

/**
 * New pods, and ephemeral containers that `kubectl debug` adds to running ones: those must not run as the proxy either.
 */
const RULES: readonly WebhookRule[] = [
  { operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], scope: "*" },
  { operations: ["UPDATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods/ephemeralcontainers"], scope: "*" },
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
 * Which pods the API server sends to the webhook: Istio's four entries. Failing closed is safe because no namespace
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
      rules: RULES,
      namespaceSelector: { matchExpressions: entry.namespace },
      objectSelector: { matchExpressions: entry.object },
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      failurePolicy: "Fail",
      reinvocationPolicy: "Never",
      matchPolicy: "Equivalent",
      timeoutSeconds: options.timeoutSeconds ?? 10,
    })),
  };
}

/** Whether the API server would send this pod in this namespace to the webhook. */
export function matchesWebhook(
  configuration: MutatingWebhookConfiguration,
  namespaceLabels: Labels,
  podLabels: Labels,
): boolean {
  return configuration.webhooks.some(
    (webhook) =>
      matchesSelector(webhook.namespaceSelector, namespaceLabels) && matchesSelector(webhook.objectSelector, podLabels),
  );
}

interface Entry {
  readonly name: string;
  readonly namespace: readonly LabelRequirement[];
  readonly object: readonly LabelRequirement[];
}

/** By revision; for the default revision also by `istio-injection: enabled` or the pod's own label. */
function entries(revision: string, controlPlaneNamespace: string): readonly Entry[] {
  const isDefault = revision === "default";
  const notSystem = isNot(NAMESPACE_NAME_LABEL, ...SYSTEM_NAMESPACES);
  const notOurs = isNot(NAMESPACE_NAME_LABEL, ...SYSTEM_NAMESPACES, controlPlaneNamespace);
  const notRefused = isNot(INJECT, "false");
  const unlabelled = [isAbsent(INJECTION), isAbsent(REVISION), notSystem];
  const byRevision: readonly Entry[] = [
    { name: "rev.namespace", namespace: [is(REVISION, revision), isAbsent(INJECTION), notOurs], object: [notRefused] },
    { name: "rev.object", namespace: unlabelled, object: [notRefused, is(REVISION, revision)] },
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
