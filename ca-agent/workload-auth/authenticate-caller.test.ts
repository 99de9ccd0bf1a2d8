import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { PeerContext } from "../../mesh/api/peer-context.ts";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { CaError } from "../ca-error.ts";
import type { RevocableCaller, RevokedCaller } from "../revocation/live-revocations.ts";
import { type AuthenticateCallerDeps, authenticateCaller, type CallerVerdict } from "./authenticate-caller.ts";
import type { TokenVerdict } from "./authenticator.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/world");
const FOREIGN = parseSpiffeId("spiffe://other.mesh/ns/ns1/sa/hello");
const HOUR_MS = 3_600_000;
const clock = new FakeClock();
const address = "10.0.0.7";

function createCsr(...uris: readonly string[]): string {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"];
  const names = uris.length === 0 ? [] : ["-addext", `subjectAltName=${uris.map((uri) => `URI:${uri}`).join(",")}`];
  return execFileSync("openssl", ["req", "-new", ...key, "-subj", "/CN=x", ...names], {
    encoding: "utf8",
    stdio: "pipe",
  });
}

const NO_CERTIFICATE: PeerContext = { kind: "anonymous", reason: "the peer showed no certificate", address };

function certificateOf(identity: typeof HELLO, leftMs = HOUR_MS): PeerContext {
  return verifiedPeer({ identity, notAfterMs: clock.now() + leftMs, address });
}

interface Call {
  readonly peer: PeerContext;
  readonly csrPem?: string;
  readonly authorization?: string;
  readonly mayRenew?: (identity: string, address: string) => boolean;
  readonly findRevoked?: NonNullable<AuthenticateCallerDeps["findRevoked"]>;
  readonly findPods?: NonNullable<AuthenticateCallerDeps["findPods"]>;
}

/** The token `world` is world's, every other one is refused. */
async function call({
  peer,
  csrPem = "",
  authorization,
  ...given
}: Call): Promise<CallerVerdict & { readonly asked: unknown }> {
  const asked: (readonly string[])[] = [];
  const authenticator = {
    authenticate: async (token: string, from: string): Promise<TokenVerdict> => {
      asked.push([token, from]);
      if (token === "world") return { kind: "authenticated", identity: WORLD, pod: { name: "world-1", uid: "u1" } };
      return { kind: "refused", reason: "expired", message: "the token has expired" };
    },
  };
  const header = new Headers(authorization === undefined ? {} : { authorization });
  const deps = { authenticator, trustDomain: parseTrustDomain("cluster.local"), clock, ...given };
  return { ...(await authenticateCaller({ header, peer, csrPem }, deps)), asked };
}

describe("a caller with a valid certificate", () => {
  it.each([
    { name: "without a token", authorization: undefined },
    { name: "with a token that is refused", authorization: "Bearer old" },
    {
      name: "with the token of another account: the certificate comes first, as in Istio",
      authorization: "Bearer world",
    },
  ])("renews it $name", async ({ authorization }) => {
    const peer = certificateOf(HELLO);
    const csrPem = createCsr(HELLO);
    const verdict = await call({ peer, csrPem, ...(authorization !== undefined && { authorization }) });
    expect(verdict).toEqual({
      ...{ kind: "authenticated", identity: HELLO, by: "certificate", renewed: peer, asked: [] },
    });
  });

  it("renews it with a request that names nothing", async () => {
    expect(await call({ peer: certificateOf(HELLO), csrPem: createCsr() })).toMatchObject({ identity: HELLO });
  });

  it.each([
    { name: "another name", uris: [WORLD] },
    { name: "its own and another name", uris: [HELLO, WORLD] },
  ])("is refused with a request for $name, even with a token for it", async ({ uris }) => {
    const verdict = await call({
      peer: certificateOf(HELLO),
      csrPem: createCsr(...uris),
      authorization: "Bearer world",
    });
    expect(verdict).toMatchObject({ kind: "refused", reason: "other_identity", asked: [] });
  });

  it("is refused with a request that cannot be read", async () => {
    await expect(call({ peer: certificateOf(HELLO), csrPem: "garbage" })).rejects.toThrow(CaError);
  });
});

describe("a caller whose pod is not known", () => {
  const peer = certificateOf(HELLO);
  const mayRenew = (identity: string, from: string): boolean => identity !== HELLO || from !== address;

  it("is refused without a token: the key may be stolen", async () => {
    const verdict = await call({ peer, csrPem: createCsr(HELLO), mayRenew });
    expect(verdict).toMatchObject({ kind: "refused", message: expect.stringContaining("has the address 10.0.0.7") });
  });

  it("is who its token says", async () => {
    const verdict = await call({ peer, csrPem: createCsr(HELLO), authorization: "Bearer world", mayRenew });
    expect(verdict).toMatchObject({ kind: "authenticated", identity: WORLD, by: "token" });
  });
});

describe("a caller whose certificate does not count", () => {
  const peers: readonly { name: string; peer: PeerContext; reason: string }[] = [
    { name: "because there is none", peer: NO_CERTIFICATE, reason: "showed no certificate" },
    { name: "because it has expired", peer: certificateOf(HELLO, -1), reason: "has expired" },
    { name: "because it is of another trust domain", peer: certificateOf(FOREIGN), reason: "other.mesh" },
  ];

  it.each(peers)("$name is refused without a token", async ({ peer, reason }) => {
    const verdict = await call({ peer, csrPem: createCsr(HELLO) });
    expect(verdict).toMatchObject({ kind: "refused", reason: "no_token", message: expect.stringContaining(reason) });
  });

  it.each(peers)("$name is who its token says, and the address is passed on", async ({ peer }) => {
    const verdict = await call({ peer, csrPem: createCsr(HELLO), authorization: "Bearer world" });
    expect(verdict).toEqual({
      ...{ kind: "authenticated", identity: WORLD, by: "token", pod: { name: "world-1", uid: "u1" } },
      asked: [["world", address]],
    });
  });
});

describe("a caller of whom something is revoked", () => {
  const peer = verifiedPeer({ identity: HELLO, notAfterMs: clock.now() + HOUR_MS, address });
  const pod = { namespace: "ns1", name: "hello-1" };
  /** Revokes what this function finds, and nothing else. */
  const revoking = (what: RevokedCaller, isIt: (caller: RevocableCaller) => boolean) => ({
    findRevoked: (caller: RevocableCaller) => (isIt(caller) ? what : undefined),
  });
  const certificate = revoking(
    { kind: "certificate" },
    ({ serialNumber }) => serialNumber === peer.certificate.serialNumber,
  );
  const podOfAddress = {
    ...revoking({ kind: "pod", pod: "ns1/hello-1" }, ({ pods }) => pods.some(({ name }) => name === pod.name)),
    findPods: () => [pod],
  };

  it.each([
    { name: "its certificate", given: certificate, reason: "revoked_certificate" },
    { name: "the pod that it is known to be of", given: podOfAddress, reason: "revoked_pod" },
    {
      name: "its identity",
      given: revoking({ kind: "identity" }, ({ identity }) => identity === HELLO),
      reason: "revoked_identity",
    },
  ])("$name, is refused to renew it", async ({ given, reason }) => {
    const verdict = await call({ peer, csrPem: createCsr(HELLO), ...given });
    expect(verdict).toMatchObject({ kind: "refused", reason, message: expect.stringContaining("is revoked") });
  });

  it.each([
    { name: "its certificate", given: certificate },
    { name: "the pod of its address", given: podOfAddress },
  ])("$name, gets another certificate with a good token: that is how a pod recovers", async ({ given }) => {
    const verdict = await call({ peer, csrPem: createCsr(HELLO), authorization: "Bearer world", ...given });
    expect(verdict).toMatchObject({ kind: "authenticated", identity: WORLD, by: "token" });
  });

  it("the pod of its token, is refused", async () => {
    const given = revoking(
      { kind: "pod", pod: "ns2/world-1" },
      ({ pods }) => JSON.stringify(pods) === '[{"namespace":"ns2","name":"world-1","uid":"u1"}]',
    );
    const verdict = await call({ peer: NO_CERTIFICATE, authorization: "Bearer world", ...given });
    expect(verdict).toMatchObject({ kind: "refused", reason: "revoked_pod" });
  });

  it("the identity of its token, is refused whatever certificate it has", async () => {
    const given = revoking({ kind: "identity" }, ({ identity }) => identity === WORLD);
    for (const from of [NO_CERTIFICATE, certificateOf(HELLO, -1)]) {
      const verdict = await call({ peer: from, authorization: "Bearer world", ...given });
      expect(verdict).toMatchObject({ kind: "refused", reason: "revoked_identity" });
    }
  });

  it("nothing of its own, is served", async () => {
    const verdict = await call({ peer: certificateOf(FOREIGN), authorization: "Bearer world", ...certificate });
    expect(verdict).toMatchObject({ kind: "authenticated", identity: WORLD });
  });
});
