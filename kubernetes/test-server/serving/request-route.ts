import { badRequest } from "../storage/refused-request.ts";

/** What a path of the API addresses. */
export type Route =
  | { readonly kind: "version" }
  | { readonly kind: "health" }
  | { readonly kind: "openapi-index" }
  | { readonly kind: "openapi"; readonly root: string }
  | { readonly kind: "core-versions" }
  | { readonly kind: "groups" }
  | { readonly kind: "group"; readonly group: string }
  | { readonly kind: "kinds"; readonly group: string; readonly version: string }
  | ResourceRoute
  | { readonly kind: "unknown" };

export interface ResourceRoute {
  readonly kind: "resource";
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Parses a path without its query. */
export function parseRoute(path: string): Route {
  const [root, ...segments] = path
    .split("/")
    .filter((segment) => segment !== "")
    .map(decodeURIComponent);
  if (root === "version" && segments.length === 0) return { kind: "version" };
  if (root !== undefined && ["livez", "readyz", "healthz"].includes(root)) return { kind: "health" };
  if (root === "openapi" && segments[0] === "v3") {
    const described = segments.slice(1).join("/");
    return described === "" ? { kind: "openapi-index" } : { kind: "openapi", root: described };
  }
  if (root === "api") return parseVersioned("", segments, { kind: "core-versions" });
  if (root !== "apis") return { kind: "unknown" };
  const [group, ...rest] = segments;
  return group === undefined ? { kind: "groups" } : parseVersioned(group, rest, { kind: "group", group });
}

function parseVersioned(group: string, [version, ...rest]: readonly string[], alone: Route): Route {
  if (version === undefined) return alone;
  if (rest.length === 0) return { kind: "kinds", group, version };
  // `namespaces/NAME` is a Namespace, `namespaces/NAME/PLURAL` something in it; its subresources are alike.
  const isScoped = rest[0] === "namespaces" && rest.length > 2 && !["status", "finalize"].includes(rest[2] ?? "");
  const namespace = isScoped ? rest[1] : undefined;
  const [plural, name, subresource, ...more] = isScoped ? rest.slice(2) : rest;
  if (plural === undefined || more.length > 0) return { kind: "unknown" };
  return { kind: "resource", group, version, plural, namespace, name, subresource };
}

const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"] as const;

/** The verb of RBAC. */
export type Verb = (typeof VERBS)[number];

/** The verb that a review asks for. */
export function parseVerb(text: string | undefined): Verb {
  const found = VERBS.find((verb) => verb === text);
  if (found === undefined) throw badRequest(`"${text}" is not a verb of this server`);
  return found;
}

export function verbOf(method: string, { name }: ResourceRoute, query: URLSearchParams): Verb | undefined {
  switch (method) {
    case "GET":
      if (["true", "1"].includes(query.get("watch") ?? "")) return "watch";
      return name === undefined ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === undefined ? "deletecollection" : "delete";
    default:
      return undefined;
  }
}

/** What a request of a caller asks for, for authorization, faults and the record. */
export interface ApiAttempt {
  readonly user: string;
  readonly verb: Verb;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}
