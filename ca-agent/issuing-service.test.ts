import { Code } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { tagOfIdentity, tagOfPodUid } from "../mesh/identity/pod-tag.ts";
import { CaError } from "./ca-error.ts";
import { ADDRESS, clock, DAY_MS, IDENTITY, LEAF, Plane } from "./issuing-fixture.ts";

let plane: Plane;
beforeEach(() => {
  plane = new Plane();
});

describe("the lifetime", () => {
  it.each([
    { name: "a day if none is requested", seconds: 0n, lifetimeMs: DAY_MS },
    { name: "a day if a negative one is requested", seconds: -5n, lifetimeMs: DAY_MS },
    { name: "the requested one", seconds: 3600n, lifetimeMs: 3_600_000 },
    { name: "the longest one if exactly that is requested", seconds: 90n * 86_400n, lifetimeMs: 90 * DAY_MS },
  ])("is $name", async ({ seconds, lifetimeMs }) => {
    expect(await plane.call({ seconds })).toEqual([LEAF.pem, "root\n"]);
    expect(plane.requests).toMatchObject([{ csrPem: "csr", identity: IDENTITY, lifetimeMs }]);
  });

  it.each([90n * 86_400n + 1n, 2n ** 63n - 1n])("of %s seconds is refused, not shortened", async (seconds) => {
    const error = await plane.fail({ seconds });
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toContain("CSR signing error (TTL_ERROR");
    expect(plane.requests).toEqual([]);
    expect(await plane.metric('citadel_server_csr_sign_err_count{error="TTL_ERROR"}')).toBe(1);
  });
});

describe("a caller", () => {
  it.each([
    { name: "without a token", authorization: "" },
    { name: "with a password", authorization: "Basic Z29vZA==" },
    { name: "with two tokens", authorization: "Bearer good, Bearer good" },
    { name: "with an expired token", authorization: "Bearer old" },
  ])("$name receives no reason, only that it failed", async ({ authorization }) => {
    const error = await plane.fail({ authorization });
    expect([error.code, error.rawMessage]).toEqual([Code.Unauthenticated, "request authenticate failure"]);
    expect(plane.requests).toEqual([]);
    expect(await plane.metric("citadel_server_authentication_failure_count")).toBe(1);
  });

  it("may retry if the fault is ours", async () => {
    expect((await plane.fail({ authorization: "Bearer fault" })).code).toBe(Code.Unavailable);
    expect(plane.log.find("the API server is away")).toHaveLength(1);
  });

  it("never gets a certificate for another identity", async () => {
    const metadata = { ImpersonatedIdentity: "spiffe://cluster.local/ns/kube-system/sa/admin" };
    expect((await plane.fail({ metadata })).code).toBe(Code.Unauthenticated);
    expect(plane.requests).toEqual([]);
    expect(plane.log.find("impersonation")).toHaveLength(1);
  });

  it("may name a signer, as Istio's agents do; the mesh's signer is used", async () => {
    expect(await plane.call({ metadata: { CertSigner: "", ImpersonatedIdentity: "" } })).toHaveLength(2);
  });

  it("is reported to the server once its token has got it a certificate, and not if it is refused or fails", async () => {
    await plane.call();
    const podTag = tagOfPodUid("u1");
    expect(plane.proven).toEqual([{ kind: "proven", identity: IDENTITY, podTag, address: ADDRESS }]);
    await plane.fail({ authorization: "Bearer old" });
    await plane.fail({ seconds: 2n ** 62n });
    plane.fault = new CaError("csr_malformed", "no");
    await plane.fail({});
    expect(plane.proven).toHaveLength(1);
  });

  it("without a pod gets the same tag in each certificate, so that it stays one caller", async () => {
    for (let count = 0; count < 2; count += 1) await plane.call({ authorization: "Bearer no-pod" });
    expect(plane.requests.map(({ podTag }) => podTag)).toEqual([tagOfIdentity(IDENTITY), tagOfIdentity(IDENTITY)]);
  });

  it("never has its token logged", async () => {
    await plane.fail({ authorization: "Bearer secret-of-the-caller" });
    await plane.call();
    expect(plane.log.find("secret-of-the-caller")).toEqual([]);
  });
});

it.each([
  { name: "without a token", request: { authorization: "" }, fault: undefined, expected: "no_token" },
  { name: "with an expired token", request: { authorization: "Bearer old" }, fault: undefined, expected: "expired" },
  {
    name: "for another identity",
    request: { metadata: { ImpersonatedIdentity: "spiffe://a/ns/b/sa/c" } },
    fault: undefined,
    expected: "impersonation",
  },
  {
    name: "with a broken request",
    request: {},
    fault: new CaError("csr_malformed", "no PEM"),
    expected: "csr_malformed",
  },
  { name: "that cannot be signed", request: {}, fault: new Error("disk"), expected: "could not sign" },
  {
    name: "that cannot be authenticated",
    request: { authorization: "Bearer fault" },
    fault: undefined,
    expected: "is away",
  },
])(
  "in a flood of calls $name, all are counted and the log stays within its limit",
  async ({ request, fault, expected }) => {
    plane.fault = fault;
    for (let count = 0; count < 25; count += 1) await plane.fail(request);
    expect(plane.log.find(expected)).toHaveLength(10);
    expect(await plane.metric("citadel_server_csr_count")).toBe(25);
  },
);

describe("a signature that fails", () => {
  it.each([
    {
      name: "because of the request's key",
      fault: new CaError("csr_key", "the curve is not accepted"),
      code: Code.InvalidArgument,
      label: "CSR_ERROR",
      expected: "the curve is not accepted",
    },
    {
      name: "because the authority has expired",
      fault: new CaError("authority_expired", "expired yesterday"),
      code: Code.Internal,
      label: "CA_NOT_READY",
      expected: "CSR signing error (CA_NOT_READY)",
    },
    {
      name: "because of an unexpected error",
      fault: new Error("/etc/cacerts is secret"),
      code: Code.Internal,
      label: "CERT_GEN_ERROR",
      expected: "CSR signing error (CERT_GEN_ERROR)",
    },
  ])("$name is counted as $label", async ({ fault, code, label, expected }) => {
    plane.fault = fault;
    const error = await plane.fail({});
    expect(error.code).toBe(code);
    expect(error.rawMessage).toContain(expected);
    expect(error.rawMessage).not.toContain("secret");
    expect(await plane.metric(`citadel_server_csr_sign_err_count{error="${label}"}`)).toBe(1);
    expect(plane.log.find(fault.message)).toHaveLength(1);
  });
});

it("the metrics have Citadel's names, and expiry is computed at scrape time", async () => {
  await plane.call();
  plane.fault = new CaError("csr_malformed", "no PEM");
  await plane.fail({});
  const before = await plane.metric("citadel_server_root_cert_expiry_seconds");
  clock.jump(1000);
  expect(await plane.metric("citadel_server_csr_count")).toBe(2);
  expect(await plane.metric("citadel_server_success_cert_issuance_count")).toBe(1);
  expect(await plane.metric("citadel_server_csr_parsing_err_count")).toBe(1);
  expect(await plane.metric("citadel_server_id_extraction_err_count")).toBe(0);
  expect(before).toBe(864_000);
  expect(await plane.metric("citadel_server_cert_chain_expiry_seconds")).toBe(-86_400);
  expect(await plane.metric("citadel_server_root_cert_expiry_timestamp")).toBe(clock.now() / 1000 + 864_000);
});
