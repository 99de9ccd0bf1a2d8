import { expect, it } from "vitest";
import { z } from "zod";
import { formatTable } from "../../kubernetes/test-server/serving/table-response.ts";
import { kindsOfDefinition } from "../../kubernetes/test-server/storage/served-kinds.ts";
import { CUSTOM_RESOURCES, customResourceDefinition } from "./custom-resources.ts";

const NAMES = z.array(z.object({ name: z.string() }));
const ROWS = z.array(z.object({ cells: z.array(z.unknown()) }));

const SPECS: Readonly<Record<string, object>> = {
  PeerAuthentication: { mtls: { mode: "STRICT" } },
  AuthorizationPolicy: { action: "DENY", rules: [{}] },
  DestinationRule: { host: "world" },
  VirtualService: { hosts: ["hello.example"], gateways: ["edge", "mesh"] },
};

const CELLS: Readonly<Record<string, readonly string[]>> = {
  PeerAuthentication: ["Name: one", "Mode: STRICT"],
  AuthorizationPolicy: ["Name: one", "Action: DENY"],
  DestinationRule: ["Name: one", "Host: world"],
  VirtualService: ["Name: one", 'Gateways: ["edge","mesh"]', 'Hosts: ["hello.example"]'],
};

it.each(CUSTOM_RESOURCES)("kubectl shows Istio's columns of a $kind, in every version", (resource) => {
  const definition = customResourceDefinition(resource, {});
  const { kind } = resource;
  const metadata = { name: "one", creationTimestamp: new Date().toISOString() };
  const kinds = kindsOfDefinition(definition);
  expect(kinds.length).toBeGreaterThan(0);
  for (const { columns, version } of kinds) {
    const object = { apiVersion: `x/${version}`, kind, metadata, spec: SPECS[kind] ?? {} };
    const table = formatTable(object, columns);
    const { columnDefinitions, rows } = z.object({ columnDefinitions: NAMES, rows: ROWS }).parse(table);
    const shown = columnDefinitions.map(({ name }, index) => `${name}: ${rows[0]?.cells[index]}`);
    expect(shown.slice(0, -1)).toEqual(CELLS[kind] ?? ["Name: one"]);
    expect(shown.at(-1)).toMatch(/^Age: \d+s$/);
  }
});
