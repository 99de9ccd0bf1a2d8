import { expect, it } from "vitest";
import { parseManifests } from "../read-manifests.ts";
import { gatewayHosts } from "./gateway-hosts.ts";

it("a gateway's host names are the exact hosts of VirtualServices that are bound to it", () => {
  const service = (name: string, spec: string): string =>
    `kind: VirtualService\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
  const text = [
    service("a", "{ hosts: [a.example, '*.example'], gateways: [edge] }"),
    service("b", "{ hosts: [inside.ns1.svc.cluster.local], gateways: [mesh] }"),
    service("c", "{ hosts: [inside] }"),
    service("d", "{ hosts: [a.example, d.example], gateways: [mesh, edge] }"),
  ].join("---\n");
  expect(gatewayHosts(parseManifests(text, "a.yaml"))).toEqual(["a.example", "d.example"]);
});
