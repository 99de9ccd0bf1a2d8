/** Converts routes to messages and back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  HttpRoute,
  RedirectCode,
  RouteFault,
  RouteRedirect,
  RouteRetries,
  RouteRewrite,
  WeightedTarget,
} from "../policy/routing/http-route.ts";
import { isRetryCondition } from "../policy/routing/retry-on.ts";
import { type GrpcStatus, isGrpcStatus } from "../resources/fields/grpc-status-names.ts";
import { normalizeHost } from "../resources/fields/normalize-host.ts";
import { ConvertError } from "./convert-error.ts";
import { headersFromMessage, messageFromHeaders, parseAuthority, parsePath } from "./convert-headers.ts";
import { matchFromMessage, messageFromMatch } from "./convert-matches.ts";
import { parseDuration, parsePort } from "./convert-parts.ts";
import type {
  AbortFault as AbortFaultMessage,
  HttpRoute as HttpRouteMessage,
  HttpRouteSchema,
  RouteFault as RouteFaultMessage,
  RouteRedirect as RouteRedirectMessage,
  RouteRetries as RouteRetriesMessage,
  RouteRewrite as RouteRewriteMessage,
  WeightedTarget as WeightedTargetMessage,
} from "./gen/discovery_pb.ts";

const REDIRECT_CODES: readonly RedirectCode[] = [301, 302, 303, 307, 308];

export function messageFromRoute(route: HttpRoute): MessageInitShape<typeof HttpRouteSchema> {
  const { rewrite, redirect, retries, headers, fault } = route;
  return {
    name: route.name,
    matches: route.matches.map(messageFromMatch),
    targets: route.targets.map(({ target, weight, headers: own, authority = "" }) => ({
      target: { host: target.host, port: target.port, subset: target.subset },
      weight,
      authority,
      ...(own === undefined ? {} : { headers: messageFromHeaders(own) }),
    })),
    refusal: route.refusal,
    timeoutMs: route.timeoutMs ?? 0,
    ...(rewrite === undefined ? {} : { rewrite: { ...rewrite } }),
    ...(redirect === undefined ? {} : { redirect: { ...redirect } }),
    ...(retries === undefined ? {} : { retries: retriesMessage(retries) }),
    ...(headers === undefined ? {} : { headers: messageFromHeaders(headers) }),
    ...(fault === undefined ? {} : { fault }),
  };
}

function retriesMessage({ attempts, perTryTimeoutMs = 0, retryOn }: RouteRetries) {
  const { conditions, statuses, grpcStatuses = [] } = retryOn;
  return {
    attempts,
    perTryTimeoutMs,
    retryOn: { conditions: [...conditions], statuses: [...statuses], grpcStatuses: [...grpcStatuses] },
  };
}

/** Throws if a part is invalid: a route applies completely or not at all. */
export function routeFromMessage(message: HttpRouteMessage): HttpRoute {
  const { rewrite, redirect, retries, headers, fault } = message;
  const timeoutMs = parseDuration(message.timeoutMs);
  return {
    name: message.name,
    matches: message.matches.map(matchFromMessage),
    targets: message.targets.map(targetFromMessage),
    refusal: message.refusal,
    ...(rewrite === undefined ? {} : { rewrite: rewriteFromMessage(rewrite) }),
    ...(redirect === undefined ? {} : { redirect: redirectFromMessage(redirect) }),
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
    ...(retries === undefined ? {} : { retries: retriesFromMessage(retries) }),
    ...(headers === undefined ? {} : { headers: headersFromMessage(headers) }),
    ...(fault === undefined ? {} : { fault: faultFromMessage(fault) }),
  };
}

function targetFromMessage(message: WeightedTargetMessage): WeightedTarget {
  const { target, headers, authority } = message;
  if (target === undefined) throw new ConvertError("a route's target has no host");
  return {
    target: { kind: "host", host: normalizeHost(target.host), port: parsePort(target.port), subset: target.subset },
    weight: message.weight,
    ...(headers === undefined ? {} : { headers: headersFromMessage(headers) }),
    ...(authority === "" ? {} : { authority: parseAuthority(authority) }),
  };
}

function rewriteFromMessage({ uri, authority }: RouteRewriteMessage): RouteRewrite {
  return {
    ...(uri === "" ? {} : { uri: parsePath(uri) }),
    ...(authority === "" ? {} : { authority: parseAuthority(authority) }),
  };
}

function redirectFromMessage(message: RouteRedirectMessage): RouteRedirect {
  const { uri, authority, port } = message;
  const code = REDIRECT_CODES.find((candidate) => candidate === message.code);
  if (code === undefined) throw new ConvertError(`${message.code} is not a redirect status`);
  return {
    ...(uri === "" ? {} : { uri: parsePath(uri) }),
    ...(authority === "" ? {} : { authority: parseAuthority(authority) }),
    ...parseScheme(message.scheme),
    ...(port === 0 ? {} : { port: parsePort(port) }),
    code,
  };
}

function parseScheme(scheme: string): Pick<RouteRedirect, "scheme"> {
  if (scheme === "") return {};
  if (scheme === "http" || scheme === "https") return { scheme };
  throw new ConvertError(`a redirect's scheme must be http or https: ${JSON.stringify(scheme)}`);
}

function retriesFromMessage({ attempts, perTryTimeoutMs, retryOn }: RouteRetriesMessage): RouteRetries {
  const grpcStatuses = (retryOn?.grpcStatuses ?? []).filter(isGrpcStatus);
  return {
    attempts,
    ...(perTryTimeoutMs === 0 ? {} : { perTryTimeoutMs: parseDuration(perTryTimeoutMs) }),
    retryOn: {
      conditions: (retryOn?.conditions ?? []).filter(isRetryCondition),
      statuses: [...(retryOn?.statuses ?? [])],
      ...(grpcStatuses.length === 0 ? {} : { grpcStatuses }),
    },
  };
}

function faultFromMessage({ delay, abort }: RouteFaultMessage): RouteFault {
  return {
    ...(delay === undefined
      ? {}
      : { delay: { fixedDelayMs: parseDuration(delay.fixedDelayMs), percentage: parsePercentage(delay.percentage) } }),
    ...(abort === undefined ? {} : { abort: abortFromMessage(abort) }),
  };
}

function abortFromMessage({ httpStatus, grpcStatus, percentage }: AbortFaultMessage): NonNullable<RouteFault["abort"]> {
  return {
    httpStatus: parseStatus(httpStatus),
    ...(grpcStatus === undefined ? {} : { grpcStatus: validateGrpcStatus(grpcStatus) }),
    percentage: parsePercentage(percentage),
  };
}

function validateGrpcStatus(code: number): GrpcStatus {
  if (isGrpcStatus(code)) return code;
  throw new ConvertError(`${code} is not a status of gRPC from 0 to 16`);
}

function parsePercentage(percentage: number): number {
  if (percentage >= 0 && percentage <= 100) return percentage;
  throw new ConvertError(`${percentage} is not a percentage from 0 to 100`);
}

function parseStatus(status: number): number {
  if (status >= 200 && status <= 599) return status;
  throw new ConvertError(`${status} is not a valid response status`);
}
