import { expect, it } from "vitest";
import { DEFAULT_STREAM_LIMITS } from "../discovery/stream-limits.ts";
import { DEFAULT_WATCH_LIMITS } from "../proxy/outbound/watch-limits.ts";
import { DEFAULT_LIMITS, limitByDescriptors } from "./control-plane-limits.ts";

it.each([
  { maxDescriptors: 1_048_576, maxConnections: 20_000, maxUnverifiedConnections: 1000 },
  { maxDescriptors: 1024, maxConnections: 720, maxUnverifiedConnections: 180 },
])("a control plane with $maxDescriptors descriptors", ({ maxDescriptors, ...expected }) => {
  expect(limitByDescriptors(DEFAULT_LIMITS, maxDescriptors)).toMatchObject(expected);
});

it("a sidecar's streams fit twice into what one pod is granted, since it moves to a new connection without a gap", () => {
  const { asking, mesh, outside } = DEFAULT_WATCH_LIMITS;
  const own = 4;
  const streams = asking + mesh + outside + own;
  expect(streams * 2).toBeLessThanOrEqual(DEFAULT_STREAM_LIMITS.perPod);
  expect(streams * 2).toBeLessThanOrEqual(DEFAULT_STREAM_LIMITS.perCaller);
  expect(streams).toBeLessThanOrEqual(DEFAULT_LIMITS.callBurst);
  expect(streams).toBeLessThanOrEqual(DEFAULT_LIMITS.maxStreamsOfVerified);
});
