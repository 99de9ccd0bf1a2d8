/** What a proxy subscribes to, to its message and back. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { DestinationTarget } from "../policy/types.ts";
import { normalizeHost } from "../resources/fields/normalize-host.ts";
import { ConvertError } from "./convert-error.ts";
import { parsePort } from "./convert-parts.ts";
import { type Subscribe, SubscribeSchema } from "./gen/discovery_pb.ts";

/** A resource of the mesh, as one proxy sees it. */
export type ResourceName =
  | { readonly kind: "trust bundle" }
  | { readonly kind: "inbound" }
  | { readonly kind: "gateway" }
  | { readonly kind: "destination"; readonly target: DestinationTarget };

export interface SubscriptionRequest {
  readonly id: number;
  readonly resource: ResourceName;
  /** Of the value that the proxy still has; empty if it has none. */
  readonly knownDigest: Uint8Array;
}

export function messageFromSubscription({ id, resource, knownDigest }: SubscriptionRequest): Subscribe {
  return create(SubscribeSchema, { id, knownDigest, resource: fieldOf(resource) });
}

/** The longest DNS name, and the longest label, which a subset's name must fit (RFC 1035). */
const MAX_HOST = 253;
const MAX_SUBSET = 63;
const MAX_IP = 45;

/**
 * Throws if the resource is missing or of an unknown kind, if a port is out of range, or if a name is longer than it
 * can be: the control plane keeps it for as long as the subscription lasts.
 */
export function resourceFromMessage({ resource }: Subscribe): ResourceName {
  switch (resource.case) {
    case "trustBundle":
      return { kind: "trust bundle" };
    case "inbound":
    case "gateway":
      return { kind: resource.case };
    case "address": {
      const { ip, port } = resource.value;
      if (ip.length > MAX_IP) throw new ConvertError(`an address has more than ${MAX_IP} characters`);
      return { kind: "destination", target: { kind: "address", ip, port: parsePort(port) } };
    }
    case "host": {
      const { host, port, subset } = resource.value;
      if (host.length > MAX_HOST || subset.length > MAX_SUBSET) {
        throw new ConvertError("a host or a subset is longer than the maximum");
      }
      return {
        kind: "destination",
        target: { kind: "host", host: normalizeHost(host), port: parsePort(port), subset },
      };
    }
    default:
      throw new ConvertError("the subscription names no resource, or one of an unknown kind");
  }
}

/** For logs and operators: `inbound`, `destination 10.0.0.1 port 80`. */
export function formatResource(resource: ResourceName): string {
  if (resource.kind !== "destination") return resource.kind;
  const { target } = resource;
  const name = target.kind === "address" ? target.ip : `${target.host} ${target.subset}`.trim();
  return `${resource.kind} ${name} port ${target.port}`;
}

type ResourceInit = NonNullable<MessageInitShape<typeof SubscribeSchema>["resource"]>;

function fieldOf(resource: ResourceName): ResourceInit {
  switch (resource.kind) {
    case "trust bundle":
      return { case: "trustBundle", value: {} };
    case "inbound":
      return { case: "inbound", value: {} };
    case "gateway":
      return { case: "gateway", value: {} };
    case "destination": {
      const { target } = resource;
      return target.kind === "address"
        ? { case: "address", value: { ip: target.ip, port: target.port } }
        : { case: "host", value: { host: target.host, port: target.port, subset: target.subset } };
    }
  }
}
