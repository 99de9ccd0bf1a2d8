/** A gateway's configuration to its message and back. */
import { create } from "@bufbuild/protobuf";
import type { GatewayConfig, VirtualHost } from "../policy/types.ts";
import { normalizeHost } from "../resources/fields/normalize-host.ts";
import {
  authorizationFromMessage,
  messageFromAuthorization,
  messageFromTokenRule,
  tokenRuleFromMessage,
} from "./convert-authorization.ts";
import { parsePort, workloadFromMessage } from "./convert-parts.ts";
import { messageFromRoute, routeFromMessage } from "./convert-routes.ts";
import {
  type GatewayResource,
  GatewayResourceSchema,
  type VirtualHost as VirtualHostMessage,
} from "./gen/discovery_pb.ts";

export function messageFromGateway(gateway: GatewayConfig): GatewayResource {
  return create(GatewayResourceSchema, {
    workload: gateway.workload,
    listeners: gateway.listeners.map(({ port, virtualHosts }) => ({
      port,
      virtualHosts: virtualHosts.map(({ hosts, routes }) => ({
        hosts: [...hosts],
        routes: routes.map(messageFromRoute),
      })),
    })),
    authorization: messageFromAuthorization(gateway.authorization),
    tokenRules: gateway.tokenRules.map(messageFromTokenRule),
  });
}

/** Throws if a match has no known condition, or authorization is missing: a message must not widen what is served. */
export function gatewayFromMessage(message: GatewayResource): GatewayConfig {
  return {
    workload: workloadFromMessage(message.workload),
    listeners: message.listeners.map((listener) => ({
      port: parsePort(listener.port),
      virtualHosts: listener.virtualHosts.map(virtualHostFromMessage),
    })),
    authorization: authorizationFromMessage(message.authorization),
    tokenRules: message.tokenRules.map(tokenRuleFromMessage),
  };
}

function virtualHostFromMessage(message: VirtualHostMessage): VirtualHost {
  return { hosts: message.hosts.map(normalizeHost), routes: message.routes.map(routeFromMessage) };
}
