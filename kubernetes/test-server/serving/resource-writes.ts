import { apiVersionOf } from "../../kinds.ts";
import type { KubernetesObject } from "../../kubernetes-api.ts";
import { type AdmissionDeps, mutateByWebhooks, validateByWebhooks } from "../access/admission-webhooks.ts";
import type { Identity } from "../access/identities.ts";
import type { StoreOptions } from "../storage/cluster-queries.ts";
import { jsonPatch, mergePatch, strategicPatch } from "../storage/patches.ts";
import { badRequest, RefusedRequest } from "../storage/refused-request.ts";
import type { ServedKind } from "../storage/served-kinds.ts";
import type { TestCluster } from "../test-cluster.ts";
import { parseNamedObject, parseNewObject } from "./request-body.ts";

/** A request that changes something, parsed. */
export interface WriteRequest {
  readonly kind: ServedKind;
  readonly namespace: string | undefined;
  readonly identity: Identity;
  readonly body: unknown;
  readonly options: StoreOptions;
}

/** POST: mutating webhooks see the object as it was sent, validating ones as it will be stored. */
export async function createResource(
  cluster: TestCluster,
  admission: AdmissionDeps,
  { kind, namespace, identity, body, options }: WriteRequest,
): Promise<KubernetesObject> {
  const facts = {
    kind,
    operation: "CREATE",
    previous: undefined,
    identity,
    isDryRun: options.dryRun === true,
  } as const;
  const sent = parseNewObject(body, namespace);
  const object = cluster.prepare(kind, await mutateByWebhooks(admission, { ...facts, object: sent }));
  await validateByWebhooks(admission, { ...facts, object });
  return cluster.store(kind, object, options);
}

export interface NamedWriteRequest extends WriteRequest {
  readonly name: string;
}

/** PUT. */
export async function replaceResource(
  cluster: TestCluster,
  admission: AdmissionDeps,
  request: NamedWriteRequest,
): Promise<KubernetesObject> {
  const given = parseNamedObject(request.body, { ...request });
  const previous = cluster.get(request.kind, given.metadata);
  return cluster.replace(request.kind, await admitUpdate(admission, request, { given, previous }), request.options);
}

export interface PatchRequest extends NamedWriteRequest {
  readonly contentType: string;
  readonly force: boolean;
}

/** PATCH, by its content type. */
export async function patchResource(
  cluster: TestCluster,
  admission: AdmissionDeps,
  request: PatchRequest,
): Promise<KubernetesObject> {
  const { kind, name, namespace, body, contentType, options } = request;
  if (contentType.startsWith("application/apply-patch")) return await applyResource(cluster, admission, request);
  const previous = cluster.get(kind, { name, ...(namespace !== undefined && { namespace }) });
  const patched = patchedValue(cluster, request, previous, body);
  const given = parseNamedObject(patched, { name, namespace });
  return cluster.replace(kind, await admitUpdate(admission, request, { given, previous }), options);
}

async function applyResource(
  cluster: TestCluster,
  admission: AdmissionDeps,
  request: PatchRequest,
): Promise<KubernetesObject> {
  const { kind, force, options } = request;
  const given = parseNamedObject(request.body, { ...request });
  if (given.apiVersion !== apiVersionOf(kind)) throw badRequest(`the object is not of ${apiVersionOf(kind)}`);
  const isDryRun = options.dryRun === true;
  // A trial shows what would be stored; the webhooks judge that.
  const outcome = cluster.apply(kind, given, { ...options, force, dryRun: true });
  const previous = cluster.find(kind, given.metadata);
  const operation = previous === undefined ? "CREATE" : "UPDATE";
  const facts = { kind, operation, previous, identity: request.identity, isDryRun } as const;
  if (options.subresource === undefined) {
    await mutateByWebhooks(admission, { ...facts, object: outcome });
    await validateByWebhooks(admission, { ...facts, object: outcome });
  }
  return cluster.apply(kind, given, { ...options, force });
}

interface Update {
  readonly given: KubernetesObject;
  readonly previous: KubernetesObject;
}

async function admitUpdate(
  admission: AdmissionDeps,
  { kind, identity, options }: NamedWriteRequest,
  { given, previous }: Update,
): Promise<KubernetesObject> {
  if (options.subresource !== undefined) return given;
  const facts = { kind, operation: "UPDATE", previous, identity, isDryRun: options.dryRun === true } as const;
  const object = await mutateByWebhooks(admission, { ...facts, object: given });
  await validateByWebhooks(admission, { ...facts, object });
  return object;
}

function patchedValue(
  cluster: TestCluster,
  { kind, contentType }: PatchRequest,
  previous: KubernetesObject,
  body: unknown,
): unknown {
  switch (contentType) {
    case "application/merge-patch+json":
      return mergePatch(previous, body);
    case "application/json-patch+json":
      return jsonPatch(previous, body);
    case "application/strategic-merge-patch+json":
      return strategicPatch(previous, body, cluster.listKeys(kind));
    default:
      throw new RefusedRequest(
        415,
        "UnsupportedMediaType",
        `the body of the request was in an unknown format: ${contentType}`,
      );
  }
}
