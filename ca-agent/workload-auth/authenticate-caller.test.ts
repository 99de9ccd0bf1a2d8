import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { PeerContext, VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { formatTaggedSerial, readPodTag, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { CaError } from "../ca-error.ts";
import type { RevocableCaller, RevokedCaller } from "../revocation/live-revocations.ts";
import { type PodName, tagPodByUid } from "../revocation/pod-name.ts";
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

/** @param uid of its pod; absent: of none that is known here, empty: it is of an earlier version */
function certificateOf(identity: typeof HELLO, leftMs = HOUR_MS, uid = "none"): VerifiedPeer {
  const serial = uid === "" ? randomBytes(16) : formatTaggedSerial(randomBytes(20), tagOfPodUid(uid));
  const certificate = {
    serialNumber: Buffer.from(serial).toString("hex").toUpperCase(),
    rootFingerprint: "",
    authorities: [],
  };
  return verifiedPeer({ identity, notAfterMs: clock.now() + leftMs, address, certificate });
}

const podOf = (uid: string): PodName => ({ namespace: "ns1", name: `hello-${uid}`, uid });

interface Call {
  readonly peer: PeerContext;
  readonly csrPem?: string;
  readonly authorization?: string;
  readonly findRevoked?: NonNullable<AuthenticateCallerDeps["findRevoked"]>;
  readonly findPods?: NonNullable<AuthenticateCallerDeps["findPods"]>;
}

/** The token `world` is world's, `no-pod` and `sibling` are hello's, every other one is refused. */
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
      if (token === "sibling") return { kind: "authenticated", identity: HELLO, pod: { name: "hello-u9", uid: "u9" } };
      if (token === "no-pod") return { kind: "authenticated", identity: HELLO };
      if (token === "world") return { kind: "authenticated", identity: WORLD, pod: { name: "world-1", uid: "u1" } };
      return { kind: "refused", reason: "expired", message: "the token has expired" };
    },
  };
  const header = new Headers(authorization === undefined ? {} : { authorization });
  const deps = { authenticator, trustDomain: parseTrustDomain("cluster.local"), clock, tagPod: tagPodByUid, ...given };
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
    const podTag = readPodTag(peer.certificate.serialNumber);
    expect(verdict).toEqual({ kind: "authenticated", identity: HELLO, by: "certificate", podTag, asked: [] });
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

describe("a caller at an address", () => {
  const at = (...uids: readonly string[]) => ({
    findPods: (identity: string, from: string) => (identity === HELLO && from === address ? uids.map(podOf) : []),
  });
  const csrPem = createCsr(HELLO);

  it.each([
    { name: "of the pod in the certificate", uid: "u1", pods: ["u1"], renews: true },
    { name: "of one pod, with a certificate of an earlier version", uid: "", pods: ["u1"], renews: true },
    { name: "of no pod of the account: the key may be stolen", uid: "u1", pods: [], renews: false },
    { name: "of another pod of the account: the key is stolen", uid: "u2", pods: ["u1"], renews: false },
    { name: "of several pods, as those with the node's network", uid: "u1", pods: ["u1", "u2"], renews: false },
    { name: "of several, with a certificate of an earlier version", uid: "", pods: ["u1", "u2"], renews: false },
  ])("$name renews: $renews", async ({ uid, pods, renews }) => {
    const verdict = await call({ peer: certificateOf(HELLO, HOUR_MS, uid), csrPem, ...at(...pods) });
    expect(verdict).toMatchObject(
      renews
        ? { kind: "authenticated", by: "certificate", pod: podOf("u1"), podTag: tagOfPodUid("u1") }
        : { kind: "refused", reason: "no_token", message: expect.stringContaining(address) },
    );
  });

  it("that cannot renew is who its token says, and gets that pod's certificate", async () => {
    const peer = certificateOf(HELLO, HOUR_MS, "u2");
    const verdict = await call({ peer, csrPem, authorization: "Bearer world", ...at("u1") });
    const pod = { namespace: "ns2", name: "world-1", uid: "u1" };
    expect(verdict).toMatchObject({ identity: WORLD, by: "token", pod, podTag: tagOfPodUid("u1") });
  });

  it.each([
    { name: "the only pod there", pods: ["u1"], pod: podOf("u1") },
    { name: "no known pod where several are", pods: ["u1", "u2"], pod: undefined },
    { name: "no known pod where none is", pods: [], pod: undefined },
  ])("with a token of no pod is $name", async ({ pods, pod }) => {
    const verdict = await call({ peer: NO_CERTIFICATE, authorization: "Bearer no-pod", ...at(...pods) });
    expect(verdict).toMatchObject({ kind: "authenticated", identity: HELLO });
    expect(verdict).toMatchObject(pod === undefined ? {} : { pod, podTag: tagOfPodUid("u1") });
    expect("podTag" in verdict).toBe(pod !== undefined);
  });
});

it("where no pods are known, a certificate without a pod does not renew itself: its pod could not be revoked", async () => {
  const peer = certificateOf(HELLO, HOUR_MS, "");
  const csrPem = createCsr(HELLO);
  expect(await call({ peer, csrPem })).toMatchObject({ kind: "refused", reason: "no_token" });
  expect(await call({ peer, csrPem, authorization: "Bearer world" })).toMatchObject({ identity: WORLD, by: "token" });
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
      ...{ kind: "authenticated", identity: WORLD, by: "token", podTag: tagOfPodUid("u1") },
      pod: { namespace: "ns2", name: "world-1", uid: "u1" },
      asked: [["world", address]],
    });
  });
});

describe("a caller of whom something is revoked", () => {
  const peer = certificateOf(HELLO, HOUR_MS, "u1");
  const pod = podOf("u1");
  /** Revokes what this function finds, and nothing else. */
  const revoking = (what: RevokedCaller, isIt: (caller: RevocableCaller) => boolean) => ({
    findRevoked: (caller: RevocableCaller) => (isIt(caller) ? what : undefined),
  });
  const certificate = revoking(
    { kind: "certificate" },
    ({ serialNumber }) => serialNumber === peer.certificate.serialNumber,
  );
  const podOfAddress = {
    ...revoking({ kind: "pod", pod: "ns1/hello-u1" }, ({ pods }) => pods.some(({ name }) => name === pod.name)),
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

  it("the pod of its address, does not get one with a token of another pod of the account either", async () => {
    for (const [at, isRefused] of [
      [["u1"], true],
      // The node's address: that of the token is there too, and it is another pod that is revoked.
      [["u1", "u9"], false],
      [[], false],
    ] as const) {
      const given = {
        ...revoking({ kind: "pod", pod: "ns1/hello-u1" }, ({ pods }) => pods.some(({ uid }) => uid === "u1")),
        findPods: () => at.map(podOf),
      };
      const verdict = await call({ peer: NO_CERTIFICATE, authorization: "Bearer sibling", ...given });
      expect(verdict).toMatchObject(isRefused ? { reason: "revoked_pod" } : { podTag: tagOfPodUid("u9") });
    }
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
