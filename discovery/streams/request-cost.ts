import type { DiscoverRequest, Subscribe } from "../../mesh/api/gen/discovery_pb.ts";

/** What is unknown is read, and kept for as long as its message. Ours has no such field, a later version a few short ones. */
const UNKNOWN_BYTES_PER_UNIT = 32;

/**
 * What a request costs, in subscriptions: reading one element of a list takes about as long as another. A message of 64 KB
 * has room for 60,000 elements, which take the time of a thousand ordinary requests.
 */
export function costOf(request: DiscoverRequest): number {
  const { proxy, subscribe, unsubscribe, acknowledgement } = request;
  const rejections = acknowledgement?.rejections ?? [];
  const messages = [request, proxy, proxy?.workload, acknowledgement, ...rejections, ...subscribe.flatMap(partsOf)];
  const unknown = messages.reduce((sum, message) => sum + unknownCost(message), 0);
  return 1 + subscribe.length + unsubscribe.length + rejections.length + unknown;
}

type AnyMessage = Pick<DiscoverRequest, "$unknown">;

function partsOf(subscribe: Subscribe): readonly AnyMessage[] {
  const { value } = subscribe.resource;
  return value === undefined ? [subscribe] : [subscribe, value];
}

function unknownCost(message: AnyMessage | undefined): number {
  const fields = message?.$unknown ?? [];
  return fields.reduce((sum, { data }) => sum + 1 + data.length / UNKNOWN_BYTES_PER_UNIT, 0);
}
