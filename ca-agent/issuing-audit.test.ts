import { Code } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { verifiedPeer } from "../mesh/api/peer-fixture.ts";
import { formatTaggedSerial, readPodTag, tagOfPodUid } from "../mesh/identity/pod-tag.ts";
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
          pod: { namespace: "ns1", name: "hello-1", uid: "u1" },
          address: ADDRESS,
        },
      },
    ]);
  });

  it("of a renewal says that a certificate proved it", async () => {
    const peer = verifiedPeer({ identity: IDENTITY, notAfterMs: clock.now() + DAY_MS, address: ADDRESS });
    await plane.call({ peer, authorization: "", csr: createRequest() });
    expect(audit()).toMatchObject([{ fields: { peer: IDENTITY, by: "certificate", address: ADDRESS } }]);
    const pod = { namespace: "ns1", name: "hello-2", uid: "u2" };
    plane.findPods = () => [pod];
    const own = Buffer.from(formatTaggedSerial(new Uint8Array(20), tagOfPodUid("u2")))
      .toString("hex")
      .toUpperCase();
    const certificate = { ...peer.certificate, serialNumber: own };
    await plane.call({ peer: { ...peer, certificate }, authorization: "", csr: createRequest() });
    expect(audit()[1]).toMatchObject({ fields: { pod, by: "certificate" } });
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

describe("a revoked caller", () => {
  it.each([
    { kind: "identity" as const, reason: "revoked_identity" },
    { kind: "pod" as const, pod: "ns1/hello-1", reason: "revoked_pod" },
  ])("receives no reason; the log has it, and a metric counts it: $reason", async ({ reason, ...revoked }) => {
    plane.findRevoked = () => revoked;
    const error = await plane.fail({});
    expect([error.code, error.rawMessage]).toEqual([Code.Unauthenticated, "request authenticate failure"]);
    expect(plane.log.find("is revoked")[0]?.fields).toMatchObject({ reason, address: ADDRESS });
    expect(await plane.metric(`entente_ca_callers_refused_total{reason="${reason}"}`)).toBe(1);
    expect(plane.requests).toEqual([]);
  });

  it("is found by what it has: identity and pod of the token, serial number of the certificate", async () => {
    const asked: unknown[] = [];
    plane.findRevoked = (caller) => void asked.push(caller);
    await plane.call();
    const peer = verifiedPeer({ identity: IDENTITY, notAfterMs: clock.now() + DAY_MS, address: ADDRESS });
    await plane.call({ peer, authorization: "", csr: createRequest() });
    expect(asked).toEqual([
      { identity: IDENTITY, pods: [{ namespace: "ns1", name: "hello-1", uid: "u1" }] },
      { identity: IDENTITY, serialNumber: peer.certificate.serialNumber, pods: [] },
    ]);
  });
});

it("the certificate of a pod has the pod's tag: that of its token, or of the certificate that it renews", async () => {
  await plane.call();
  const peer = verifiedPeer({ identity: IDENTITY, notAfterMs: clock.now() + DAY_MS, address: ADDRESS });
  await plane.call({ peer, authorization: "", csr: createRequest() });
  expect(plane.requests.map(({ podTag }) => podTag)).toEqual([
    tagOfPodUid("u1"),
    readPodTag(peer.certificate.serialNumber),
  ]);
});
