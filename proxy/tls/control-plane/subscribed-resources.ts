/** What is subscribed to, with how its values are read. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { destinationFromMessage, inboundFromMessage } from "../../../mesh/api/convert.ts";
import { gatewayFromMessage } from "../../../mesh/api/convert-gateway.ts";
import { trustBundleFromMessage } from "../../../mesh/api/convert-trust-bundle.ts";
import { trustReadingsFromMessage } from "../../../mesh/api/convert-trust-readings.ts";
import {
  DestinationResourceSchema,
  GatewayResourceSchema,
  InboundResourceSchema,
  TrustBundleResourceSchema,
} from "../../../mesh/api/gen/discovery_pb.ts";
import { type TimedReadings, timeReadings } from "../../../mesh/policy/authentication/trust-readings.ts";
import type {
  Destination,
  DestinationTarget,
  GatewayConfig,
  Inbound,
  TrustBundle,
} from "../../../mesh/policy/types.ts";
import type { Received, Refusal, Subscribed } from "./subscription.ts";

/** Receives trust bundles, and from what and when each was made, if the control plane knows that. */
export interface TrustListener {
  /** Returns why the bundle is not taken whole; `undefined` if it is. Throws if it is invalid. */
  take(bundle: TrustBundle, readings: TimedReadings | undefined): Refusal | undefined;
  /** The control plane has the bundle that was taken last. */
  confirm(readings: TimedReadings | undefined): void;
}

export function subscribeTrustBundle(listener: TrustListener): Subscribed<TrustBundle> {
  return {
    resource: { kind: "trust bundle" },
    decode: decoder(TrustBundleResourceSchema, trustBundleFromMessage),
    take: (bundle, received) => listener.take(bundle, readingsOf(received)),
    confirm: (received) => listener.confirm(readingsOf(received)),
  };
}

export function subscribeInbound(listener: (inbound: Inbound) => void): Subscribed<Inbound> {
  const decode = decoder(InboundResourceSchema, inboundFromMessage);
  return { resource: { kind: "inbound" }, decode, take: takeAll(listener) };
}

export function subscribeDestination(
  target: DestinationTarget,
  listener: (destination: Destination) => void,
): Subscribed<Destination> {
  const decode = decoder(DestinationResourceSchema, destinationFromMessage);
  return { resource: { kind: "destination", target }, decode, take: takeAll(listener) };
}

export function subscribeGateway(listener: (config: GatewayConfig) => void): Subscribed<GatewayConfig> {
  const decode = decoder(GatewayResourceSchema, gatewayFromMessage);
  return { resource: { kind: "gateway" }, decode, take: takeAll(listener) };
}

function takeAll<Value>(listener: (value: Value) => void): (value: Value) => undefined {
  return (value) => {
    listener(value);
    return undefined;
  };
}

function readingsOf({ readings, ...times }: Received): TimedReadings | undefined {
  return readings && timeReadings(trustReadingsFromMessage(readings), times);
}

function decoder<Schema extends DescMessage, Value>(
  schema: Schema,
  convert: (message: MessageShape<Schema>) => Value,
): (encoded: Uint8Array) => Value {
  return (encoded) => convert(fromBinary(schema, encoded));
}
