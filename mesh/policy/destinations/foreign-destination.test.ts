import { describe, expect, it } from "vitest";
import { testResource, testService, testSlice } from "../../resources/resource-set-fixture.ts";
import { byHost, byIp, decide } from "./destination-fixture.ts";

const THERE = "spiffe://there.example/ns/shop/sa/web";
/** A Service of this mesh for pods of another one. */
const SERVICE = testService({
  ...{ name: "shop-there", clusterIP: "10.96.0.9", spec: { selector: undefined } },
  ports: [{ name: "http", port: 80 }],
});
const SLICE = testSlice({ service: "shop-there", endpoints: [{ addresses: ["192.0.2.7"] }] });
const tls = (block: object) =>
  testResource(
    "DestinationRule",
    "there",
    {
      host: "shop-there.ns1.svc.cluster.local",
      trafficPolicy: { tls: block },
    },
    { namespace: "ns1" },
  );
const RULE = tls({ mode: "ISTIO_MUTUAL", subjectAltNames: [THERE] });

describe("a Service whose endpoints are pods of another mesh", () => {
  it.each([
    { name: "its address", target: byIp("10.96.0.9", 80) },
    { name: "its name, from a gateway", target: byHost("shop-there.ns1.svc.cluster.local", 80) },
  ])("is reached at $name by mutual TLS with the identities that a DestinationRule names", ({ target }) => {
    expect(decide([SERVICE, SLICE, RULE], target)).toMatchObject({
      kind: "mesh",
      identities: [THERE],
      endpoints: [{ ip: "192.0.2.7", port: 8080, mutualTls: true }],
    });
  });

  it("is refused if the rule names no identities: nobody could be expected there", () => {
    expect(decide([SERVICE, SLICE, tls({ mode: "ISTIO_MUTUAL" })], byIp("10.96.0.9", 80))).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining(
        "requires mutual TLS with shop-there.ns1.svc.cluster.local, whose pods are unknown",
      ),
    });
  });

  it("is reached in plaintext without a rule, as by Istio's auto mTLS", () => {
    expect(decide([SERVICE, SLICE], byIp("10.96.0.9", 80))).toMatchObject({ endpoints: [{ mutualTls: false }] });
  });

  it("is known by no other address: one of the other mesh's is passed through, or refused", () => {
    const other = byIp("192.0.2.7", 8080);
    expect(decide([SERVICE, SLICE, RULE], other)).toEqual({ kind: "passthrough" });
    expect(decide([SERVICE, SLICE, RULE], other, { outboundTrafficPolicy: "REGISTRY_ONLY" }).kind).toBe("refused");
  });
});
