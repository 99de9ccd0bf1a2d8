import { apiVersionOf, KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { Logger } from "../../mesh/runtime.ts";

export interface CaBundleDeps {
  readonly api: Pick<KubernetesApi, "get" | "apply">;
  /** The names of this revision's webhook configurations. */
  readonly configurations: WebhookNames;
  /** Only webhooks that call this Service are changed. */
  readonly service: { readonly namespace: string; readonly name: string };
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface WebhookNames {
  readonly mutating: string;
  readonly validating: string;
}

/** Whether the API server can verify the webhook's certificate. */
export type BundleState = "current" | "not_installed";

/** The owner of `caBundle`, so that an install that applies the rest of a configuration does not take it away. */
const FIELD_MANAGER = "entente-injector";

/**
 * Writes the bundle into the webhook configurations where they have another one. The validating one fails closed: earlier
 * versions installed it with `failurePolicy: Ignore`, which is corrected.
 */
export async function keepCaBundle(deps: CaBundleDeps, bundle: string): Promise<BundleState> {
  const { configurations } = deps;
  const caBundle = Buffer.from(bundle).toString("base64");
  const states = [
    await keepOne(deps, { kind: KINDS.mutatingWebhooks, name: configurations.mutating, caBundle }),
    await keepOne(deps, { kind: KINDS.validatingWebhooks, name: configurations.validating, caBundle, ...FAIL_CLOSED }),
  ];
  return states.includes("current") ? "current" : "not_installed";
}

const FAIL_CLOSED = { failurePolicy: "Fail" } as const;

interface Wanted {
  readonly kind: ApiKind;
  readonly name: string;
  readonly caBundle: string;
  readonly failurePolicy?: "Fail";
}

async function keepOne(deps: CaBundleDeps, wanted: Wanted): Promise<BundleState> {
  const { api, signal, log } = deps;
  const { kind, name, caBundle, failurePolicy } = wanted;
  const configuration = await api.get(kind, { name }, { signal });
  if (configuration === undefined) return "not_installed";
  const ours = webhooksOf(configuration).filter((webhook) => callsService(webhook, deps.service));
  if (ours.length === 0) return "not_installed";
  if (ours.every((webhook) => isCurrent(webhook, wanted))) return "current";
  const { uid } = configuration.metadata;
  await api.apply(
    kind,
    {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      // With the uid, a configuration that was deleted in between is not created again.
      metadata: { name, ...(uid !== undefined && { uid }) },
      webhooks: ours.map((webhook) => ({
        name: webhook["name"],
        clientConfig: { caBundle },
        ...(failurePolicy && { failurePolicy }),
      })),
    },
    { fieldManager: FIELD_MANAGER, force: true, signal },
  );
  log.info({ configuration: name, kind: kind.kind }, "the caBundle was updated");
  return "current";
}

function isCurrent(webhook: Fields, { caBundle, failurePolicy }: Wanted): boolean {
  const isTrusted = recordOf(webhook["clientConfig"])["caBundle"] === caBundle;
  return isTrusted && (failurePolicy === undefined || webhook["failurePolicy"] === failurePolicy);
}

function callsService(webhook: Fields, { namespace, name }: CaBundleDeps["service"]): boolean {
  const service = recordOf(recordOf(webhook["clientConfig"])["service"]);
  return service["namespace"] === namespace && service["name"] === name;
}

type Fields = Readonly<Record<string, unknown>>;

function webhooksOf({ webhooks }: KubernetesObject): readonly Fields[] {
  return Array.isArray(webhooks) ? webhooks.map(recordOf) : [];
}

function recordOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
