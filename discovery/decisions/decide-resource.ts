import { toBinary } from "@bufbuild/protobuf";
import { messageFromDestination, messageFromInbound } from "../../mesh/api/convert.ts";
import { messageFromGateway } from "../../mesh/api/convert-gateway.ts";
import type { ResourceName } from "../../mesh/api/convert-subscription.ts";
import { messageFromTrustBundle } from "../../mesh/api/convert-trust-bundle.ts";
import {
  DestinationResourceSchema,
  GatewayResourceSchema,
  InboundResourceSchema,
  TrustBundleResourceSchema,
} from "../../mesh/api/gen/discovery_pb.ts";
import { decideDestination } from "../../mesh/policy/destinations/destination.ts";
import type { Client } from "../../mesh/policy/destinations/destination-rules.ts";
import { decideInbound } from "../../mesh/policy/inbound.ts";
import { decideGateway } from "../../mesh/policy/routing/gateway.ts";
import type { Destination } from "../../mesh/policy/types.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { MeshView } from "./evaluations.ts";

/** The workload that a resource is for. */
export interface ResourceClient extends Client {
  /** The key of its pod. */
  readonly pod: string;
  /** The namespace and the labels as one text: clients with the same key receive the same destinations. */
  readonly key: string;
}

export function clientOfPod({ metadata }: Pod): ResourceClient {
  const { namespace, name, labels } = metadata;
  return { namespace, labels, pod: formatResourceKey(namespace, name), key: JSON.stringify([namespace, labels]) };
}

/** The encoded value of a resource for one workload; `undefined` if its pod is unknown. */
export function decideResource(resource: ResourceName, client: ResourceClient, view: MeshView): Uint8Array | undefined {
  const { set, settings, keySets } = view;
  switch (resource.kind) {
    case "trust bundle": {
      const trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
      return toBinary(TrustBundleResourceSchema, messageFromTrustBundle({ ...view.trust, trustDomains }));
    }
    case "inbound": {
      const pod = set.pods.get(client.pod);
      if (pod === undefined) return undefined;
      return toBinary(InboundResourceSchema, messageFromInbound(decideInbound({ set, settings, keySets, pod })));
    }
    case "gateway": {
      const pod = set.pods.get(client.pod);
      if (pod === undefined) return undefined;
      return toBinary(GatewayResourceSchema, messageFromGateway(decideGateway({ set, settings, keySets, pod })));
    }
    case "destination": {
      const { target } = resource;
      return encodeDestination(decideDestination({ set, settings, client, target }));
    }
  }
}

export function encodeDestination(destination: Destination): Uint8Array {
  return toBinary(DestinationResourceSchema, messageFromDestination(destination));
}

/** Resources with the same key differ at most by what they read of their client. */
export function shareKeyOf(resource: ResourceName, { pod }: ResourceClient): string {
  switch (resource.kind) {
    case "trust bundle":
      return resource.kind;
    case "inbound":
    case "gateway":
      return `${resource.kind} ${pod}`;
    case "destination": {
      const { target } = resource;
      return target.kind === "address"
        ? `address ${target.ip} ${target.port}`
        : `host ${target.host} ${target.port} ${target.subset}`;
    }
  }
}
