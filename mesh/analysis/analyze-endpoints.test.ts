import { expect, it } from "vitest";
import { createTestSet, testPod, testService, testSlice } from "../resources/resource-set-fixture.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

const DB = testService({ name: "db", spec: { selector: {} } });
const ENDPOINTS = [{ addresses: ["10.0.0.7"] }];

function warningsOf(...resources: readonly string[]): readonly string[] {
  return analyzeResourceSet(createTestSet(...resources)).map(
    ({ resource, field, message }) => `${resource} ${field} ${message}`,
  );
}

it.each([
  { name: "a service with a selector", resources: [testService({ name: "srv" }), testPod({ name: "srv" })] },
  { name: "a service with a slice", resources: [DB, testSlice({ service: "db", endpoints: ENDPOINTS })] },
  { name: "a service with an empty slice", resources: [DB, testSlice({ service: "db", endpoints: [] })] },
  {
    name: "an ExternalName service",
    resources: [testService({ name: "db", spec: { selector: {}, type: "ExternalName", externalName: "db.example" } })],
  },
])("no warning for $name", ({ resources }) => {
  expect(warningsOf(...resources)).toEqual([]);
});

it.each([
  {
    name: "a service without a selector and without endpoints",
    resources: [DB],
    warning: /^Service\/db\.ns1 spec\.selector is missing, and no EndpointSlice .* in plaintext/,
  },
  {
    name: "a slice without the label",
    resources: [testSlice({ service: "", name: "lost", endpoints: ENDPOINTS })],
    warning: /^EndpointSlice\/lost\.ns1 metadata\.labels\["kubernetes\.io\/service-name"\] is missing/,
  },
  {
    name: "a slice of a missing service",
    resources: [testSlice({ service: "missing", endpoints: ENDPOINTS })],
    warning: /^EndpointSlice\/missing-1\.ns1 .* names missing\.ns1, but that Service does not exist$/,
  },
  {
    name: "a slice of names",
    resources: [DB, testSlice({ service: "db", addressType: "FQDN", endpoints: [{ addresses: ["db.example"] }] })],
    warning: /^EndpointSlice\/db-1\.ns1 addressType FQDN is not supported/,
  },
])("a warning for $name", ({ resources, warning }) => {
  expect(warningsOf(...resources)).toEqual([expect.stringMatching(warning)]);
});
