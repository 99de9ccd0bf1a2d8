import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { testResource } from "../../mesh/resources/resource-set-fixture.ts";
import { configurationOf, explain, policy, V1 } from "./explain-access-fixture.ts";

describe("a note says", () => {
  const virtualService = testResource(
    "VirtualService",
    "world",
    {
      hosts: ["world.ns2.svc.cluster.local"],
      http: [{ route: [{ destination: { host: "world.ns2.svc.cluster.local" } }] }],
    },
    { namespace: "ns2" },
  );
  const byAddress = policy("ip", { rules: [{ from: [{ source: { ipBlocks: ["10.0.0.0/8"] } }] }] });
  const byHost = policy("host", { rules: [{ to: [{ operation: { hosts: ["*"] } }] }] });

  it.each([
    {
      name: "that routes are not followed",
      resources: [virtualService],
      note: "VirtualService/world.ns2 routes requests",
    },
    {
      name: "how an undeclared port was judged",
      asked: { port: "9000" },
      note: "port 9000 declares no protocol: judged as a stream",
    },
    {
      name: "how a request on an undeclared port was judged",
      asked: { port: "9000", request: { path: "/" } },
      note: "judged as a request of HTTP",
    },
    {
      name: "that a stream has no method",
      asked: { port: "5432", request: { method: "GET" } },
      note: "port 5432 is declared as tcp, a stream",
    },
    {
      name: "that manifests have no addresses",
      resources: [byAddress],
      origin: "files" as const,
      note: "give --source-ip",
    },
    { name: "that the host is assumed", resources: [byHost], note: "--header 'host: NAME'" },
    {
      name: "that an identity is taken to be proved",
      asked: { from: { kind: "identity", identity: parseSpiffeId("spiffe://cluster.local/ns/a/sa/b") } as const },
      note: "taken to prove its identity",
    },
  ])("$name", ({ resources = [], asked = {}, origin = "cluster" as const, note }) => {
    expect(explain(configurationOf([V1, ...resources], origin), asked).text).toContain(note);
  });

  it("nothing where nothing was assumed", () => {
    expect(explain(configurationOf([V1, byAddress]), { request: { path: "/" } }).text).not.toContain("Note:");
  });

  it("nothing of an address that was given", () => {
    const { text, isDenied: denied } = explain(configurationOf([V1, byAddress], "files"), { sourceIp: "192.0.2.1" });
    expect([denied, text.includes("--source-ip")]).toEqual([true, false]);
  });
});
