/** A gateway's configuration to its message and back. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { checkRegex } from "../policy/compile-regex.ts";
import type {
  GatewayConfig,
  HeaderMatch,
  HttpMatch,
  HttpRoute,
  StringMatch,
  VirtualHost,
  WeightedTarget,
} from "../policy/types.ts";
import { ConvertError } from "./convert-error.ts";
import { parsePort, workloadFromMessage } from "./convert-parts.ts";
import {
  type HeaderMatch as HeaderMatchMessage,
  type HttpMatch as HttpMatchMessage,
  type HttpMatchSchema,
  type HttpRoute as HttpRouteMessage,
  type StringMatch as StringMatchMessage,
  type StringMatchSchema,
  type VirtualHost as VirtualHostMessage,
  type WatchGatewayResponse,
  WatchGatewayResponseSchema,
  type WeightedTarget as WeightedTargetMessage,
} from "./gen/discovery_pb.ts";

export function messageFromGateway(gateway: GatewayConfig): WatchGatewayResponse {
  return create(WatchGatewayResponseSchema, {
    workload: gateway.workload,
    listeners: gateway.listeners.map(({ port, virtualHosts }) => ({
      port,
      virtualHosts: virtualHosts.map(({ hosts, routes }) => ({
        hosts: [...hosts],
        routes: routes.map((route) => ({
          name: route.name,
          matches: route.matches.map(matchMessage),
          targets: route.targets.map(({ target, weight }) => ({
            target: { host: target.host, port: target.port, subset: target.subset },
            weight,
          })),
          refusal: route.refusal,
        })),
      })),
    })),
  });
}

/** Throws where a match says nothing that is known: a route must not widen because of a message from a newer sender. */
export function gatewayFromMessage(message: WatchGatewayResponse): GatewayConfig {
  return {
    workload: workloadFromMessage(message.workload),
    listeners: message.listeners.map((listener) => ({
      port: parsePort(listener.port),
      virtualHosts: listener.virtualHosts.map(virtualHostFromMessage),
    })),
  };
}

function matchMessage(match: HttpMatch): MessageInitShape<typeof HttpMatchSchema> {
  const header = ({ name, value }: HeaderMatch) => ({ name, value: stringMatchMessage(value) });
  return {
    ...(match.uri === undefined ? {} : { uri: stringMatchMessage(match.uri) }),
    ...(match.method === undefined ? {} : { method: stringMatchMessage(match.method) }),
    ...(match.authority === undefined ? {} : { authority: stringMatchMessage(match.authority) }),
    headers: match.headers.map(header),
    withoutHeaders: match.withoutHeaders.map(header),
    ignoreUriCase: match.ignoreUriCase,
  };
}

function stringMatchMessage(match: StringMatch): MessageInitShape<typeof StringMatchSchema> {
  return match.kind === "present"
    ? { match: { case: "present", value: true } }
    : { match: { case: match.kind, value: match.value } };
}

function virtualHostFromMessage(message: VirtualHostMessage): VirtualHost {
  return { hosts: message.hosts.map((host) => host.toLowerCase()), routes: message.routes.map(routeFromMessage) };
}

function routeFromMessage(message: HttpRouteMessage): HttpRoute {
  return {
    name: message.name,
    matches: message.matches.map(matchFromMessage),
    targets: message.targets.map(targetFromMessage),
    refusal: message.refusal,
  };
}

function matchFromMessage(message: HttpMatchMessage): HttpMatch {
  return {
    ...(message.uri === undefined ? {} : { uri: stringMatchFromMessage(message.uri) }),
    ...(message.method === undefined ? {} : { method: stringMatchFromMessage(message.method) }),
    ...(message.authority === undefined ? {} : { authority: stringMatchFromMessage(message.authority) }),
    headers: message.headers.map(headerFromMessage),
    withoutHeaders: message.withoutHeaders.map(headerFromMessage),
    ignoreUriCase: message.ignoreUriCase,
  };
}

function headerFromMessage(message: HeaderMatchMessage): HeaderMatch {
  return { name: message.name.toLowerCase(), value: stringMatchFromMessage(message.value) };
}

function stringMatchFromMessage(message: StringMatchMessage | undefined): StringMatch {
  const match = message?.match;
  switch (match?.case) {
    case "regex": {
      const fault = checkRegex(match.value);
      if (fault !== undefined) throw new ConvertError(fault);
      return { kind: match.case, value: match.value };
    }
    case "exact":
    case "prefix":
      return { kind: match.case, value: match.value };
    case "present":
      if (match.value) return { kind: "present" };
      throw new ConvertError("a header match asks for presence: false, which means nothing");
    default:
      throw new ConvertError("a match is of a kind that is not known here");
  }
}

function targetFromMessage(message: WeightedTargetMessage): WeightedTarget {
  const { target } = message;
  if (target === undefined) throw new ConvertError("a route's target names no host");
  return {
    target: { kind: "host", host: target.host.toLowerCase(), port: parsePort(target.port), subset: target.subset },
    weight: message.weight,
  };
}
