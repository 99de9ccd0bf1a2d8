import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createJwtAuthenticator } from "./jwt-authenticator.ts";

const ISSUER = "https://kubernetes.default.svc";
const FOLDER = mkdtempSync(join(tmpdir(), "entente-jwks-"));
const FILE = join(FOLDER, "jwks.json");

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const otherKey = generateKeyPairSync("ec", { namedCurve: "P-256" });

interface TokenOptions {
  readonly key?: KeyObject;
  readonly alg?: string;
  readonly kid?: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly subject?: string;
  readonly expires?: string | undefined;
  readonly claims?: Record<string, unknown>;
}

async function token(options: TokenOptions = {}): Promise<string> {
  const jwt = new SignJWT(options.claims ?? {})
    .setProtectedHeader({ alg: options.alg ?? "ES256", kid: options.kid ?? "ec" })
    .setIssuer(options.issuer ?? ISSUER)
    .setAudience(options.audience ?? "istio-ca")
    .setSubject(options.subject ?? "system:serviceaccount:ns1:default")
    .setIssuedAt();
  const expires = "expires" in options ? options.expires : "1h";
  return await (expires === undefined ? jwt : jwt.setExpirationTime(expires)).sign(options.key ?? ec.privateKey);
}

async function writeKeys(keys: Readonly<Record<string, KeyObject>>): Promise<void> {
  const jwks = await Promise.all(Object.entries(keys).map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid })));
  writeFileSync(FILE, JSON.stringify({ keys: jwks }));
}

function authenticator(log = new RecordingLogger()) {
  return createJwtAuthenticator({
    jwksFile: FILE,
    issuer: ISSUER,
    trustDomain: parseTrustDomain("cluster.local"),
    clock: systemClock,
    log,
  });
}

beforeAll(() => writeKeys({ ec: ec.publicKey, rsa: rsa.publicKey }));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** A handmade token, for contents that a library refuses to create. */
function forge(header: Record<string, unknown>, signInput: (input: string) => string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const nowS = Math.floor(Date.now() / 1000);
  const payload = {
    iss: ISSUER,
    aud: "istio-ca",
    sub: "system:serviceaccount:ns1:default",
    iat: nowS,
    exp: nowS + 600,
  };
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${signInput(input)}`;
}

function inMinutes(minutes: number): number {
  return Date.now() / 1000 + minutes * 60;
}

describe("service account tokens", () => {
  it("are accepted when our clock is an hour behind that of their issuer", async () => {
    const issued = await token({ claims: { nbf: inMinutes(60) }, expires: "2 hours" });
    expect(await authenticator().authenticate(issued)).toMatchObject({ kind: "authenticated" });
  });

  it.each([
    { name: "ES256", options: {} },
    { name: "RS256", options: { alg: "RS256", kid: "rsa", key: rsa.privateKey } },
    {
      name: "ES256, with Kubernetes' own claim,",
      options: { claims: { "kubernetes.io": { namespace: "ns1", serviceaccount: { name: "default", uid: "1" } } } },
    },
  ])("signed with $name prove the service account", async ({ options }) => {
    expect(await authenticator().authenticate(await token(options))).toEqual({
      kind: "authenticated",
      identity: "spiffe://cluster.local/ns/ns1/sa/default",
    });
  });

  it.each([
    { name: "and uid", pod: { name: "hello-1", uid: "u1" }, expected: { name: "hello-1", uid: "u1" } },
    { name: "alone, where pods have no uid", pod: { name: "hello-1" }, expected: { name: "hello-1" } },
    { name: "that is empty", pod: { name: "" }, expected: undefined },
    { name: "that is no text", pod: { name: 7, uid: "u1" }, expected: undefined },
  ])("name their pod by a name $name", async ({ pod, expected }) => {
    const claim = { namespace: "ns1", serviceaccount: { name: "default", uid: "1" }, pod };
    const verdict = await authenticator().authenticate(await token({ claims: { "kubernetes.io": claim } }));
    expect(verdict).toMatchObject({ kind: "authenticated" });
    expect("pod" in verdict ? verdict.pod : undefined).toEqual(expected);
  });

  const refusals: readonly { name: string; make: () => Promise<string> | string; reason: string }[] = [
    { name: "expired", make: () => token({ expires: "-1 minute" }), reason: "expired" },
    { name: "for another audience", make: () => token({ audience: "vault" }), reason: "wrong_audience" },
    { name: "of another issuer", make: () => token({ issuer: "https://elsewhere" }), reason: "wrong_issuer" },
    { name: "without an expiry", make: () => token({ expires: undefined }), reason: "no_expiry" },
    { name: "unsigned", make: () => forge({ alg: "none" }, () => ""), reason: "unsigned" },
    {
      name: "signed with our public key as a secret",
      make: () => {
        const secret = ec.publicKey.export({ type: "spki", format: "pem" });
        return forge({ alg: "HS256", kid: "ec" }, (input) =>
          createHmac("sha256", secret).update(input).digest("base64url"),
        );
      },
      reason: "algorithm_not_allowed",
    },
    {
      name: "signed by another key under a known key ID",
      make: () => token({ key: otherKey.privateKey }),
      reason: "bad_signature",
    },
    {
      name: "that contains its own key",
      make: async () => {
        const jwk = await exportJWK(otherKey.publicKey);
        const header = { alg: "ES256", kid: "ec", jwk };
        return forge(header, (input) =>
          sign("sha256", Buffer.from(input), { key: otherKey.privateKey, dsaEncoding: "ieee-p1363" }).toString(
            "base64url",
          ),
        );
      },
      reason: "bad_signature",
    },
    { name: "not valid yet for hours", make: () => token({ claims: { nbf: inMinutes(63) } }), reason: "not_yet_valid" },
    {
      name: "not valid yet, and never",
      make: () => token({ claims: { nbf: inMinutes(60) }, expires: "10 minutes" }),
      reason: "expired",
    },
    {
      name: "expired, with a begin in the future",
      make: () => token({ claims: { nbf: inMinutes(60) }, expires: "-1 minute" }),
      reason: "expired",
    },
    {
      name: "of a service account with an invalid name",
      make: () => token({ subject: "system:serviceaccount:ns1:../admin" }),
      reason: "not_a_service_account",
    },
    {
      name: "of a namespace in capitals",
      make: () => token({ subject: "system:serviceaccount:NS1:default" }),
      reason: "not_a_service_account",
    },
    {
      name: "whose Kubernetes claim is not an object",
      make: () => token({ claims: { "kubernetes.io": "ns1" } }),
      reason: "claims_disagree",
    },
    { name: "signed under an unknown key ID", make: () => token({ kid: "who" }), reason: "unknown_key" },
    {
      name: "with a changed subject",
      make: async () => {
        const [header = "", payload = "", signature = ""] = (await token()).split(".");
        const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
        const changed = { ...claims, sub: "system:serviceaccount:kube-system:admin" };
        return `${header}.${Buffer.from(JSON.stringify(changed)).toString("base64url")}.${signature}`;
      },
      reason: "bad_signature",
    },
    { name: "of a user", make: () => token({ subject: "admin" }), reason: "not_a_service_account" },
    {
      name: "with a subject of three parts",
      make: () => token({ subject: "system:serviceaccount:ns1" }),
      reason: "not_a_service_account",
    },
    {
      name: "with a subject of five parts",
      make: () => token({ subject: "system:serviceaccount:a:b:c" }),
      reason: "not_a_service_account",
    },
    {
      name: "whose claims disagree with its subject",
      make: () => token({ claims: { "kubernetes.io": { namespace: "other", serviceaccount: { name: "default" } } } }),
      reason: "claims_disagree",
    },
    { name: "that is not a JWT", make: () => "not.a.token", reason: "malformed" },
    { name: "that is too large", make: () => "a".repeat(20_000), reason: "too_large" },
  ];
  it.each(refusals)("$name is refused: $reason", async ({ make, reason }) => {
    expect(await authenticator().authenticate(await make())).toMatchObject({ kind: "refused", reason });
  });
});

describe("the JWKS file", () => {
  it("is reloaded when it changes, and the last valid one is kept if it is broken", async () => {
    const log = new RecordingLogger();
    const jwtAuthenticator = authenticator(log);
    expect((await jwtAuthenticator.authenticate(await token())).kind).toBe("authenticated");
    writeFileSync(FILE, "{ half");
    expect((await jwtAuthenticator.authenticate(await token())).kind).toBe("authenticated");
    expect(log.find(FILE).length).toBeGreaterThan(0);
    await writeKeys({ next: otherKey.publicKey });
    expect((await jwtAuthenticator.authenticate(await token({ kid: "next", key: otherKey.privateKey }))).kind).toBe(
      "authenticated",
    );
    expect(await jwtAuthenticator.authenticate(await token())).toMatchObject({ reason: "unknown_key" });
    await writeKeys({ ec: ec.publicKey, rsa: rsa.publicKey });
  });

  it("may appear after the control plane starts, and until then all tokens are refused", async () => {
    rmSync(FILE);
    const log = new RecordingLogger();
    const waiting = authenticator(log);
    for (let call = 0; call < 3; call += 1) {
      expect(await waiting.authenticate(await token())).toMatchObject({ kind: "refused", reason: "no_keys" });
    }
    expect(log.find(FILE)).toHaveLength(1);
    await writeKeys({ ec: ec.publicKey, rsa: rsa.publicKey });
    const calls = await Promise.all(Array.from({ length: 5 }, async () => waiting.authenticate(await token())));
    expect(new Set(calls.map(({ kind }) => kind))).toEqual(new Set(["authenticated"]));
  });

  it("uses the accepted keys of a set that also contains others", async () => {
    const large = generateKeyPairSync("ec", { namedCurve: "P-521" });
    await writeKeys({ large: large.publicKey, ec: ec.publicKey });
    expect((await authenticator().authenticate(await token())).kind).toBe("authenticated");
    const signed = await token({ key: large.privateKey, alg: "ES512", kid: "large" });
    expect((await authenticator().authenticate(signed)).kind).toBe("refused");
    await writeKeys({ ec: ec.publicKey, rsa: rsa.publicKey });
  });

  it.each([
    { name: "an exponent that makes each check expensive", n: Buffer.alloc(256, 0xff), e: Buffer.alloc(255, 0x7f) },
    { name: "16,384 bits", n: Buffer.alloc(2048, 0xff), e: Buffer.from([1, 0, 1]) },
  ])("an RSA key with $name is ignored", async ({ n, e }) => {
    const key = { kty: "RSA", kid: "ec", n: n.toString("base64url"), e: e.toString("base64url") };
    writeFileSync(FILE, JSON.stringify({ keys: [key] }));
    const log = new RecordingLogger();
    expect(await authenticator(log).authenticate(await token())).toMatchObject({ reason: "no_keys" });
    expect(log.find("no key that is accepted")).toHaveLength(1);
    await writeKeys({ ec: ec.publicKey, rsa: rsa.publicKey });
  });

  it.each([
    { name: "invalid JSON", text: "{" },
    { name: "an array", text: "[]" },
    { name: "a set without keys", text: '{"keys":[]}' },
    { name: "a key without a type", text: '{"keys":[{"kid":"a"}]}' },
    { name: "a secret for HMAC", text: '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"ec"}]}' },
  ])("with $name makes all tokens refused", async ({ text }) => {
    writeFileSync(FILE, text);
    expect((await authenticator().authenticate(await token())).kind).toBe("refused");
    await writeKeys({ ec: ec.publicKey, rsa: rsa.publicKey });
  });
});
