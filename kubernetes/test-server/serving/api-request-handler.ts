import type { IncomingMessage, ServerResponse } from "node:http";
import type { Fields } from "../../requests/api-response.ts";
import type { AdmissionDeps, ResolveService } from "../access/admission-webhooks.ts";
import type { Identities, Identity } from "../access/identities.ts";
import { formatDenial, isAllowed } from "../access/rbac.ts";
import { RefusedRequest, statusObject } from "../storage/refused-request.ts";
import type { TestCluster } from "../test-cluster.ts";
import type { OpenWatch } from "../watch-feed.ts";
import {
  coreVersionsDocument,
  groupDocument,
  groupsDocument,
  kindsDocument,
  openApiDocument,
  openApiIndex,
  versionDocument,
} from "./discovery-documents.ts";
import type { Fault, FaultPlan } from "./faults.ts";
import { parseBody, readBody } from "./request-body.ts";
import { type ApiAttempt, parseRoute, type ResourceRoute, type Route, verbOf } from "./request-route.ts";
import { pageQuery, type ResourceDeps, respondToResource } from "./resource-requests.ts";
import { startWatchResponse } from "./watch-response.ts";

export interface ApiRequestDeps {
  readonly cluster: TestCluster;
  readonly identities: Identities;
  readonly faults: FaultPlan;
  readonly watches: Set<OpenWatch>;
  readonly resolveService: ResolveService;
  readonly gitVersion: string;
  readonly authorization: "everything" | "rbac";
  readonly bookmarkMs: number;
  /** Called for each authenticated request, before anything is done for it. */
  readonly onAttempt: (attempt: ApiAttempt, userAgent: string) => void;
  readonly onDenied: (attempt: ApiAttempt) => void;
}

/** Handles one request of the API. It never rejects. */
export async function handleApiRequest(
  deps: ApiRequestDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await respond(deps, request, response);
  } catch (caught) {
    if (response.headersSent) response.destroy();
    else if (caught instanceof RefusedRequest) send(response, caught.status, statusObject(caught));
    else send(response, 500, statusObject(new RefusedRequest(500, "InternalError", String(caught))));
  }
}

async function respond(deps: ApiRequestDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "https://server");
  const route = parseRoute(url.pathname);
  const identity = authenticate(deps, request);
  const attempt = attemptOf(request, route, { query: url.searchParams, identity });
  deps.onAttempt(attempt, request.headers["user-agent"] ?? "");
  if (route.kind === "resource") {
    authorize(deps, identity, attempt);
    if (createsByApply(deps.cluster, request, route)) authorize(deps, identity, { ...attempt, verb: "create" });
  }
  const fault = deps.faults.take(attempt);
  if (fault?.kind === "delay") await new Promise((resolve) => setTimeout(resolve, fault.delayMs).unref());
  else if (fault?.kind === "held") await fault.until;
  else if (fault !== undefined && respondWrongly(response, fault)) return;
  const mangle = fault?.kind === "half-json" || fault?.kind === "cut" ? fault.kind : undefined;
  if (route.kind !== "resource") {
    send(response, 200, documentOf(deps, route), { mangle });
  } else if (attempt.verb === "watch") {
    watch(deps, response, { route, query: url.searchParams, isSilent: fault?.kind === "silent-watch" });
  } else {
    await respondToCall(deps, request, response, { route, attempt, query: url.searchParams, identity, mangle });
  }
}

interface Call {
  readonly route: ResourceRoute;
  readonly attempt: ApiAttempt;
  readonly query: URLSearchParams;
  readonly identity: Identity;
  readonly mangle: "half-json" | "cut" | undefined;
}

async function respondToCall(
  deps: ApiRequestDeps,
  request: IncomingMessage,
  response: ServerResponse,
  { route, attempt, query, identity, mangle }: Call,
): Promise<void> {
  const { cluster, identities, resolveService } = deps;
  const warnings: string[] = [];
  const admission: AdmissionDeps = { cluster, resolve: resolveService, warn: (text) => warnings.push(text) };
  const resources: ResourceDeps = { cluster, identities, admission };
  const contentType = (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim() ?? "";
  const text = await readBody(request);
  const { verb } = attempt;
  if (verb === "watch") throw new TypeError("a watch is no call");
  const body = text === "" ? undefined : parseBody(text, contentType);
  const { "user-agent": userAgent = "", accept } = request.headers;
  const call = { route, verb, query, identity, body, contentType, userAgent, accept };
  const found = await respondToResource(resources, call);
  send(response, found.status, found.body, { mangle, warnings });
}

interface WatchCall {
  readonly route: ResourceRoute;
  readonly query: URLSearchParams;
  readonly isSilent: boolean;
}

function watch(deps: ApiRequestDeps, response: ServerResponse, { route, query, isSilent }: WatchCall): void {
  const { cluster, watches, bookmarkMs } = deps;
  const kind = cluster.served(route);
  const resourceVersion = query.get("resourceVersion") ?? undefined;
  const timeoutSeconds = Number(query.get("timeoutSeconds") ?? 1800);
  const hasBookmarks = query.get("allowWatchBookmarks") === "true";
  const selection = { ...pageQuery(query, route.namespace), resourceVersion };
  const shared = { cluster, kind, timeoutSeconds, hasBookmarks, bookmarkMs, isSilent };
  const open = startWatchResponse(response, { ...shared, query: selection });
  watches.add(open);
  response.once("close", () => watches.delete(open));
}

function authenticate({ identities }: ApiRequestDeps, { headers }: IncomingMessage): Identity {
  const [, token] = /^Bearer (\S+)$/.exec(headers.authorization ?? "") ?? [];
  const identity = token === undefined ? undefined : identities.authenticate(token);
  if (identity === undefined) throw new RefusedRequest(401, "Unauthorized", "Unauthorized");
  return identity;
}

function authorize(
  { authorization, cluster, onDenied }: ApiRequestDeps,
  identity: Identity,
  attempt: ApiAttempt,
): void {
  if (authorization === "everything" || isAllowed(cluster, identity, attempt)) return;
  onDenied(attempt);
  throw new RefusedRequest(403, "Forbidden", formatDenial(attempt));
}

/** Server-side apply of what does not exist needs the right to create an object of that name too. */
function createsByApply(cluster: TestCluster, { headers }: IncomingMessage, route: ResourceRoute): boolean {
  const { name, namespace, subresource } = route;
  const isApply = headers["content-type"]?.startsWith("application/apply-patch") === true && subresource === undefined;
  if (!isApply || name === undefined) return false;
  return cluster.find(cluster.served(route), { name, ...(namespace !== undefined && { namespace }) }) === undefined;
}

interface Asked {
  readonly query: URLSearchParams;
  readonly identity: Identity;
}

function attemptOf({ method = "GET" }: IncomingMessage, route: Route, { query, identity }: Asked): ApiAttempt {
  const user = identity.name;
  if (route.kind !== "resource") {
    const nothing = { group: "", subresource: undefined, namespace: undefined, name: undefined };
    return { user, verb: "get", resource: `/${route.kind}`, ...nothing };
  }
  const verb = verbOf(method, route, query);
  if (verb === undefined) throw new RefusedRequest(405, "MethodNotAllowed", `${method} is not supported`);
  const { group, plural, subresource, namespace, name } = route;
  return { user, verb, group, resource: plural, subresource, namespace, name: name ?? selectedName(query) };
}

/** RBAC compares the name of a list or watch with the one that its field selector allows. */
function selectedName(query: URLSearchParams): string | undefined {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(query.get("fieldSelector") ?? "")?.[1];
}

function documentOf({ cluster, gitVersion }: ApiRequestDeps, route: Exclude<Route, ResourceRoute>): Fields {
  const found = findDocument(cluster, gitVersion, route);
  if (found !== undefined) return found;
  throw new RefusedRequest(404, "NotFound", "the server could not find the requested resource");
}

function findDocument(
  cluster: TestCluster,
  gitVersion: string,
  route: Exclude<Route, ResourceRoute>,
): Fields | undefined {
  switch (route.kind) {
    case "version":
      return versionDocument(gitVersion);
    case "health":
      return { status: "ok" };
    case "core-versions":
      return coreVersionsDocument();
    case "groups":
      return groupsDocument(cluster.kinds);
    case "group":
      return groupDocument(cluster.kinds, route.group);
    case "kinds":
      return kindsDocument(cluster.kinds, route.group, route.version);
    case "openapi-index":
      return openApiIndex(cluster.kinds);
    case "openapi":
      return openApiDocument(cluster.kinds, route.root);
    case "unknown":
      return undefined;
  }
}

/** Whether the fault was the whole response. */
function respondWrongly(response: ServerResponse, fault: Fault): boolean {
  switch (fault.kind) {
    case "status": {
      const { status, reason, retryAfterSeconds } = fault;
      if (retryAfterSeconds !== undefined) response.setHeader("retry-after", String(retryAfterSeconds));
      send(response, status, statusObject(new RefusedRequest(status, reason, "a fault of the test")));
      return true;
    }
    case "hang":
      return true;
    case "garbage":
      response.writeHead(200, { "content-type": "text/html" }).end("<html><title>Welcome to the airport</title>");
      return true;
    default:
      return false;
  }
}

interface SendOptions {
  readonly mangle?: "half-json" | "cut" | undefined;
  readonly warnings?: readonly string[];
}

function send(
  response: ServerResponse,
  status: number,
  body: Fields,
  { mangle, warnings = [] }: SendOptions = {},
): void {
  const text = JSON.stringify(body);
  if (warnings.length > 0)
    response.setHeader(
      "warning",
      warnings.map((warning) => `299 - ${JSON.stringify(warning)}`),
    );
  const headers = { "content-type": "application/json" };
  if (mangle === undefined) response.writeHead(status, headers).end(text);
  else if (mangle === "half-json") response.writeHead(status, headers).end(text.slice(0, text.length / 2));
  else {
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(text) });
    response.write(text.slice(0, text.length / 2), () => response.destroy());
  }
}
