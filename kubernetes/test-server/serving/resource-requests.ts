import { apiVersionOf } from "../../kinds.ts";
import { type Fields, isFields } from "../../requests/api-response.ts";
import type { AdmissionDeps } from "../access/admission-webhooks.ts";
import type { Identities, Identity } from "../access/identities.ts";
import { isAllowed } from "../access/rbac.ts";
import type { Deletion, PageQuery, StoreOptions } from "../storage/cluster-queries.ts";
import { badRequest, RefusedRequest } from "../storage/refused-request.ts";
import type { ServedKind } from "../storage/served-kinds.ts";
import type { TestCluster } from "../test-cluster.ts";
import { parseVerb, type ResourceRoute, type Verb } from "./request-route.ts";
import { createResource, patchResource, replaceResource } from "./resource-writes.ts";
import { formatTable, wantsTable } from "./table-response.ts";

/** A request for a resource, authorized and read. */
export interface ResourceRequest {
  readonly route: ResourceRoute;
  readonly verb: Exclude<Verb, "watch">;
  readonly query: URLSearchParams;
  readonly identity: Identity;
  readonly body: unknown;
  readonly contentType: string;
  readonly userAgent: string;
  readonly accept: string | undefined;
}

export interface ResourceDeps {
  readonly cluster: TestCluster;
  readonly identities: Identities;
  readonly admission: AdmissionDeps;
}

export interface ResourceResponse {
  readonly status: number;
  readonly body: Fields;
}

/** Everything but watches. Throws RefusedRequest. */
export async function respondToResource(deps: ResourceDeps, request: ResourceRequest): Promise<ResourceResponse> {
  const { cluster } = deps;
  const { route, verb, query } = request;
  const kind = cluster.served(route);
  if (route.subresource !== undefined && !(route.subresource === "status" && kind.hasStatus)) {
    throw new RefusedRequest(404, "NotFound", "the server could not find the requested resource");
  }
  if (verb === "create") return { status: 201, body: await create(deps, kind, request) };
  if (verb === "list") {
    return { status: 200, body: inForm(listDocument(cluster, kind, pageQuery(query, route.namespace)), kind, request) };
  }
  if (route.name === undefined) throw new RefusedRequest(405, "MethodNotAllowed", `${verb} is not supported`);
  return await respondToNamed(deps, kind, { ...request, verb, name: route.name });
}

interface NamedRequest extends ResourceRequest {
  readonly name: string;
}

async function respondToNamed(deps: ResourceDeps, kind: ServedKind, request: NamedRequest): Promise<ResourceResponse> {
  const { cluster, admission } = deps;
  const { verb, name, query } = request;
  const { namespace } = request.route;
  const place = { name, ...(namespace !== undefined && { namespace }) };
  const write = { ...request, kind, namespace, options: storeOptions(request) };
  switch (verb) {
    case "update":
      return { status: 200, body: await replaceResource(cluster, admission, write) };
    case "patch": {
      const status = cluster.find(kind, place) === undefined ? 201 : 200;
      return {
        status,
        body: await patchResource(cluster, admission, { ...write, force: query.get("force") === "true" }),
      };
    }
    case "delete":
      cluster.delete(kind, place, deletionOf(request));
      return { status: 200, body: { kind: "Status", apiVersion: "v1", status: "Success", details: { name } } };
    default:
      return { status: 200, body: inForm(cluster.get(kind, place), kind, request) };
  }
}

/** What is read, in the form that the client prefers. The columns of Kubernetes' own kinds are not known here. */
function inForm(document: Fields, { isBuiltIn, columns }: ServedKind, { accept }: ResourceRequest): Fields {
  return wantsTable(accept) && !isBuiltIn ? formatTable(document, columns) : document;
}

function deletionOf({ body, query }: ResourceRequest): Deletion {
  const { preconditions, dryRun } = isFields(body) ? body : {};
  const { uid, resourceVersion } = isFields(preconditions) ? preconditions : {};
  return {
    uid: typeof uid === "string" ? uid : undefined,
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : undefined,
    dryRun: query.has("dryRun") || Array.isArray(dryRun),
  };
}

/** The query of a list or watch. */
export function pageQuery(query: URLSearchParams, namespace: string | undefined): PageQuery {
  const limit = query.get("limit");
  return {
    namespace,
    labelSelector: query.get("labelSelector") ?? undefined,
    fieldSelector: query.get("fieldSelector") ?? undefined,
    limit: limit === null || limit === "0" ? undefined : Number(limit),
    continue: query.get("continue") ?? undefined,
  };
}

async function create(deps: ResourceDeps, kind: ServedKind, request: ResourceRequest): Promise<Fields> {
  const { route, body, identity } = request;
  if (kind.plural === "tokenreviews") return { ...reviewSpec(body), status: reviewToken(deps.identities, body) };
  if (kind.plural === "selfsubjectaccessreviews") {
    return { ...reviewSpec(body), status: { allowed: reviewAccess(deps.cluster, identity, body) } };
  }
  const write = { kind, namespace: route.namespace, identity, body, options: storeOptions(request) };
  return await createResource(deps.cluster, deps.admission, write);
}

function reviewSpec(body: unknown): Fields {
  if (!isFields(body) || !isFields(body["spec"])) throw badRequest("a review needs a spec");
  return { metadata: {}, ...body };
}

function reviewToken(identities: Identities, body: unknown): Fields {
  const { token, audiences } = isFields(body) && isFields(body["spec"]) ? body["spec"] : {};
  return identities.review(String(token), Array.isArray(audiences) ? audiences.map(String) : []);
}

function reviewAccess(cluster: TestCluster, identity: Identity, body: unknown): boolean {
  const spec = isFields(body) && isFields(body["spec"]) ? body["spec"] : {};
  const asked = isFields(spec["resourceAttributes"]) ? spec["resourceAttributes"] : {};
  const text = (field: string): string | undefined => (asked[field] ? String(asked[field]) : undefined);
  return isAllowed(cluster, identity, {
    user: identity.name,
    verb: parseVerb(text("verb")),
    group: text("group") ?? "",
    resource: text("resource") ?? "",
    subresource: text("subresource"),
    namespace: text("namespace"),
    name: text("name"),
  });
}

function listDocument(cluster: TestCluster, kind: ServedKind, query: PageQuery): Fields {
  const { items, resourceVersion, remaining, continue: token } = cluster.list(kind, query);
  const metadata = { resourceVersion, ...(token !== undefined && { continue: token, remainingItemCount: remaining }) };
  const apiVersion = apiVersionOf(kind);
  // As the real server: items of its own kinds carry neither kind nor version.
  const bare = kind.isBuiltIn ? items.map(({ apiVersion: _, kind: __, ...item }) => item) : items;
  return { kind: `${kind.kind}List`, apiVersion, metadata, items: bare };
}

function storeOptions({ query, route, userAgent }: ResourceRequest): StoreOptions {
  const fieldManager = query.get("fieldManager") ?? userAgent.split("/")[0];
  return {
    dryRun: query.get("dryRun") === "All",
    subresource: route.subresource === "status" ? "status" : undefined,
    fieldManager: fieldManager || "unknown",
  };
}
