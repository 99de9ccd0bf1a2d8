/** The actions of a VirtualService's route, from its specification. */

import { GRPC_STATUS } from "../../resources/fields/grpc-status-names.ts";
import { isAuthorityName } from "../../resources/fields/header-rules.ts";
import type { HttpRouteSpec } from "../../resources/kinds/virtual-service.ts";
import { httpStatusFromGrpc } from "../grpc/grpc-status.ts";
import type {
  HeaderEdit,
  HeaderOperations,
  HeaderValue,
  RouteFault,
  RouteRedirect,
  RouteRetries,
  RouteRewrite,
} from "./http-route.ts";
import { parseRetryOn } from "./retry-on.ts";

export type HeadersSpec = NonNullable<HttpRouteSpec["headers"]>;
type EditSpec = HeadersSpec["request"];

/** An authority that is set as a header applies if `rewrite` has none. */
export function createRewrite({ rewrite, headers }: HttpRouteSpec): RouteRewrite | undefined {
  const authority = rewrite?.authority ?? findAuthority(headers);
  const uri = rewrite?.uri;
  if (uri === undefined && authority === undefined) return undefined;
  return { ...(uri === undefined ? {} : { uri }), ...(authority === undefined ? {} : { authority }) };
}

/** @param requestPort the port that requests of this route are sent to. */
export function createRedirect({ redirect }: HttpRouteSpec, requestPort: number): RouteRedirect | undefined {
  if (redirect === undefined) return undefined;
  const { uri, authority, scheme, derivePort, redirectCode: code } = redirect;
  const derived = derivePort === undefined ? undefined : derivedPort(derivePort, { scheme, requestPort });
  const port = redirect.port ?? derived;
  return {
    ...(uri === undefined ? {} : { uri }),
    ...(authority === undefined ? {} : { authority }),
    ...(scheme === undefined ? {} : { scheme }),
    ...(port === undefined ? {} : { port }),
    code,
  };
}

function derivedPort(
  derivePort: "FROM_PROTOCOL_DEFAULT" | "FROM_REQUEST_PORT",
  { scheme, requestPort }: { readonly scheme: "http" | "https" | undefined; readonly requestPort: number },
): number {
  if (derivePort === "FROM_REQUEST_PORT") return requestPort;
  return scheme === "https" ? 443 : 80;
}

export function createRetries({ retries }: HttpRouteSpec): RouteRetries | undefined {
  if (retries === undefined) return undefined;
  const { attempts, perTryTimeout = 0, retryOn } = retries;
  return {
    attempts,
    ...(perTryTimeout === 0 ? {} : { perTryTimeoutMs: perTryTimeout }),
    retryOn: parseRetryOn(retryOn).retryOn,
  };
}

/** A fault without a percentage applies to every request, as Istio documents. */
export function createFault({ fault }: HttpRouteSpec): RouteFault | undefined {
  const { delay, abort } = fault ?? {};
  const aborted = createAbort(abort);
  if (delay === undefined && aborted === undefined) return undefined;
  return {
    ...(delay === undefined
      ? {}
      : {
          delay: { fixedDelayMs: delay.fixedDelay, percentage: delay.percentage?.value ?? delay.percent ?? 100 },
        }),
    ...(aborted === undefined ? {} : { abort: aborted }),
  };
}

type AbortSpec = NonNullable<HttpRouteSpec["fault"]>["abort"];

/** An abort without a status is none, as in Istio. */
function createAbort(spec: AbortSpec): RouteFault["abort"] {
  const percentage = spec?.percentage?.value ?? 100;
  if (spec?.httpStatus !== undefined) return { httpStatus: spec.httpStatus, percentage };
  if (spec?.grpcStatus === undefined) return undefined;
  const grpcStatus = GRPC_STATUS[spec.grpcStatus];
  return { httpStatus: httpStatusFromGrpc(grpcStatus), grpcStatus, percentage };
}

/** `undefined` if no header operation remains; the authority is handled by `findAuthority`. */
export function createHeaderOperations(spec: HeadersSpec | undefined): HeaderOperations | undefined {
  if (spec === undefined) return undefined;
  const operations = { request: createEdit(spec.request), response: createEdit(spec.response) };
  const edits = [operations.request, operations.response];
  return edits.some(({ set, add, remove }) => set.length + add.length + remove.length > 0) ? operations : undefined;
}

/** The authority that header operations set through `host` or `:authority`, as in Istio. */
export function findAuthority(spec: HeadersSpec | undefined): string | undefined {
  const named = [spec?.request.set ?? {}, spec?.request.add ?? {}].flatMap((values) => Object.entries(values));
  return named.find(([name]) => isAuthorityName(name))?.[1];
}

/** The first value with an Envoy variable (`%REQ(x)%`), which is not supported. */
export function findVariable(spec: HeadersSpec | undefined): string | undefined {
  const edits = spec === undefined ? [] : [spec.request, spec.response];
  const values = edits.flatMap(({ set, add }) => [...Object.values(set), ...Object.values(add)]);
  return values.find((value) => value.replaceAll("%%", "").includes("%"));
}

function createEdit({ set, add, remove }: EditSpec): HeaderEdit {
  return { set: createValues(set), add: createValues(add), remove: remove.map((name) => name.toLowerCase()) };
}

function createValues(values: Readonly<Record<string, string>>): readonly HeaderValue[] {
  return Object.entries(values)
    .filter(([name]) => !isAuthorityName(name))
    .map(([name, value]) => ({ name: name.toLowerCase(), value: value.replaceAll("%%", "%") }));
}
