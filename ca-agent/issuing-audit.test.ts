import { beforeEach, describe, expect, it } from "vitest";
import { verifiedPeer } from "../mesh/api/peer-fixture.ts";
import { CaError } from "./ca-error.ts";
import { ADDRESS, clock, DAY_MS, IDENTITY, LEAF, Plane } from "./issuing-fixture.ts";
import { createRequest } from "./x509/request-fixture.ts";

let plane: Plane;
beforeEach(() => {
  plane = new Plane();
});

describe("the audit line", () => {
  const audit = () => plane.log.records.filter(({ fields }) => fields["code"] === "issued");

  it("of a certificate that a token got has its serial number, identity, pod, proof, address and end", async () => {
    await plane.call();
    expect(audit()).toMatchObject([
      {
        level: "info",
        fields: {
          component: "ca-agent",
          serialNumber: LEAF.certificate.serialNumber,
          notAfter: "2026-01-02T00:00:00Z",
          peer: IDENTITY,
          by: "token",
          pod: { name: "hello-1", uid: "u1" },
          address: ADDRESS,
        },
      },
    ]);
  });

  it("of a renewal says that a certificate proved it", async () => {
    const peer = verifiedPeer({ identity: IDENTITY, notAfterMs: clock.now() + DAY_MS, address: ADDRESS });
    await plane.call({ peer, authorization: "", csr: createRequest() });
    expect(audit()).toMatchObject([{ fields: { peer: IDENTITY, by: "certificate", address: ADDRESS } }]);
  });

  it("is written for each certificate, however many are issued", async () => {
    for (let count = 0; count < 50; count += 1) await plane.call();
    expect(audit()).toHaveLength(50);
  });

  it("is not written for a certificate that was not signed", async () => {
    plane.fault = new CaError("csr_key", "no");
    await plane.fail({});
    expect(audit()).toEqual([]);
  });

  it.each([
    { name: "no token", request: { authorization: "" }, reason: "no_token" },
    { name: "an expired token", request: { authorization: "Bearer old" }, reason: "expired" },
    {
      name: "the identity of another",
      request: { metadata: { ImpersonatedIdentity: "spiffe://a/ns/b/sa/c" } },
      reason: "impersonation",
    },
  ])(
    "of a refusal of a caller with $name has the reason and the address, which the caller does not get",
    async ({ request, reason }) => {
      const error = await plane.fail(request);
      expect(`${error.rawMessage} ${JSON.stringify(error.details)}`).not.toMatch(
        /10\.0\.0\.7|spiffe|expired|no_token|bearer|node proxy/,
      );
      const [line] = plane.log.find(reason);
      expect(line).toMatchObject({ level: "warn", fields: { address: ADDRESS } });
    },
  );
});
