import { expect, it } from "vitest";
import { DEFAULT_STREAM_LIMITS } from "../../discovery/streams/stream-limits.ts";
import { DEFAULT_CACHE_LIMIT } from "../../proxy/outbound/destination-cache.ts";
import { DEFAULT_LIMITS, limitByDescriptors } from "./control-plane-limits.ts";

it.each([
  { maxDescriptors: 1_048_576, maxConnections: 20_000, maxUnverifiedConnections: 1000 },
  { maxDescriptors: 1024, maxConnections: 720, maxUnverifiedConnections: 180 },
])("a control plane with $maxDescriptors descriptors", ({ maxDescriptors, ...expected }) => {
  expect(limitByDescriptors(DEFAULT_LIMITS, maxDescriptors)).toMatchObject(expected);
});

it("a sidecar's subscriptions fit into its stream, and it may repeat all of them twice at once", () => {
  const own = 3;
  const subscriptions = DEFAULT_CACHE_LIMIT + own;
  expect(subscriptions).toBeLessThanOrEqual(DEFAULT_STREAM_LIMITS.subscriptionsPerStream);
  expect(subscriptions * 2).toBeLessThanOrEqual(DEFAULT_STREAM_LIMITS.requestBurst);
  expect(subscriptions * 2).toBeLessThanOrEqual(DEFAULT_STREAM_LIMITS.subscriptionsPerCaller);
});
