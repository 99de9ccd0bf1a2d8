import { expect, it } from "vitest";
import { DEFAULT_LIMITS, limitByDescriptors } from "./control-plane-limits.ts";

it.each([
  { maxDescriptors: 1_048_576, maxConnections: 20_000, maxUnverifiedConnections: 1000 },
  { maxDescriptors: 1024, maxConnections: 720, maxUnverifiedConnections: 180 },
])("a control plane with $maxDescriptors descriptors", ({ maxDescriptors, ...expected }) => {
  expect(limitByDescriptors(DEFAULT_LIMITS, maxDescriptors)).toMatchObject(expected);
});
