/**
 * Converts policy values to messages of the discovery service and back. Received messages are checked: an unknown value
 * must never weaken policy, whatever its sender is.
 */
import { create } from "@bufbuild/protobuf";
import { isSpiffeId } from "../identity/is-spiffe-id.ts";
import type { Destination, Endpoint, Inbound, InboundPort, MeshDestination } from "../policy/types.ts";
import {
  authorizationFromMessage,
  messageFromAuthorization,
  messageFromTokenRule,
  tokenRuleFromMessage,
} from "./convert-authorization.ts";
import { connectionPoolFromMessage, messageFromConnectionPool } from "./convert-connection-pool.ts";
import { ConvertError } from "./convert-error.ts";
import {
  modeFromMessage,
  parsePort,
  protocolFromMessage,
  serviceFromMessage,
  workloadFromMessage,
} from "./convert-parts.ts";
import { messageFromRoute, routeFromMessage } from "./convert-routes.ts";
import {
  type DestinationResource,
  DestinationResourceSchema,
  type Endpoint as EndpointMessage,
  type InboundPort as InboundPortMessage,
  type InboundResource,
  InboundResourceSchema,
  type MeshDestination as MeshDestinationMessage,
  MeshDestinationSchema,
} from "./gen/discovery_pb.ts";

/** The pod that a proxy belongs to. */
export interface WorkloadRef {
  readonly namespace: string;
  readonly name: string;
}

export function messageFromInbound(inbound: Inbound): InboundResource {
  return create(InboundResourceSchema, {
    workload: inbound.workload,
    defaultMode: inbound.defaultMode,
    ports: inbound.ports.map(({ protocol = "", service, ...port }) => ({
      ...port,
      protocol,
      ...(service === undefined ? {} : { service }),
    })),
    authorization: messageFromAuthorization(inbound.authorization),
    tokenRules: inbound.tokenRules.map(messageFromTokenRule),
  });
}

/** A missing or unknown mode is STRICT. Throws if the authorization is missing or not understood. */
export function inboundFromMessage(message: InboundResource): Inbound {
  return {
    workload: workloadFromMessage(message.workload),
    defaultMode: modeFromMessage(message.defaultMode),
    ports: message.ports.map(inboundPortFromMessage),
    authorization: authorizationFromMessage(message.authorization),
    tokenRules: message.tokenRules.map(tokenRuleFromMessage),
  };
}

export function messageFromDestination(destination: Destination): DestinationResource {
  switch (destination.kind) {
    case "mesh":
      return create(DestinationResourceSchema, {
        destination: { case: "mesh", value: meshMessage(destination) },
      });
    case "passthrough":
      return create(DestinationResourceSchema, { destination: { case: "passthrough", value: {} } });
    case "refused":
      return create(DestinationResourceSchema, {
        destination: { case: "refused", value: { reason: destination.reason } },
      });
  }
}

/** A message without a known case is refused, never passed through. Throws if an identity or a port is malformed. */
export function destinationFromMessage(message: DestinationResource): Destination {
  const { destination } = message;
  switch (destination.case) {
    case "mesh":
      return meshFromMessage(destination.value);
    case "passthrough":
      return { kind: "passthrough" };
    case "refused":
      return { kind: "refused", reason: destination.value.reason };
    default:
      return {
        kind: "refused",
        reason: "the control plane sent a destination of an unknown kind",
      };
  }
}

function meshMessage(destination: MeshDestination): MeshDestinationMessage {
  return create(MeshDestinationSchema, {
    host: destination.host,
    port: destination.port,
    subset: destination.subset,
    protocol: destination.protocol ?? "",
    sni: destination.sni,
    identities: [...destination.identities],
    tlsRule: destination.tlsRule,
    endpoints: destination.endpoints.map((endpoint) => ({ ...endpoint })),
    ...(destination.service === undefined ? {} : { service: destination.service }),
    routes: destination.routes.map(messageFromRoute),
    connectionPool: messageFromConnectionPool(destination.connectionPool),
  });
}

function meshFromMessage(message: MeshDestinationMessage): MeshDestination {
  const invalid = message.identities.find((identity) => !isSpiffeId(identity));
  if (invalid !== undefined) {
    throw new ConvertError(`${message.host} has an identity that is not a SPIFFE id: ${JSON.stringify(invalid)}`);
  }
  const protocol = protocolFromMessage(message.protocol);
  return {
    kind: "mesh",
    host: message.host,
    port: parsePort(message.port),
    subset: message.subset,
    protocol,
    sni: message.sni,
    identities: message.identities.filter(isSpiffeId),
    tlsRule: message.tlsRule,
    endpoints: message.endpoints.map(endpointFromMessage),
    service: serviceFromMessage(message.service),
    connectionPool: connectionPoolFromMessage(message.connectionPool, protocol),
    routes: message.routes.map(routeFromMessage),
  };
}

function endpointFromMessage(message: EndpointMessage): Endpoint {
  return {
    ip: message.ip,
    port: parsePort(message.port),
    mutualTls: message.mutualTls,
    workload: workloadFromMessage(message.workload),
  };
}

function inboundPortFromMessage(message: InboundPortMessage): InboundPort {
  return {
    port: parsePort(message.port),
    mode: modeFromMessage(message.mode),
    protocol: protocolFromMessage(message.protocol),
    service: serviceFromMessage(message.service),
  };
}
