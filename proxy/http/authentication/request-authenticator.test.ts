import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  createIssuerKey,
  hmacToken,
  ISSUER,
  keySetOf,
  publicJwk,
  SUBJECT,
  signToken,
  testTokenRule,
  unsignedToken,
} from "../../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import type { TokenRule } from "../../../mesh/policy/request-authentication/token-rule.ts";
import { FieldList } from "../../messages/field-list.ts";
import { type AuthenticatedRequest, type Authentication, RequestAuthenticator } from "./request-authenticator.ts";
import { VerificationQueue } from "./verification-queue.ts";
import { createSignatureVerifier, type VerifySignature } from "./verify-signature.ts";

const KEY = createIssuerKey("one");
const NOW_MS = 1_800_000_000_000;
const CONNECTION = {};

type Fields = readonly (readonly [string, string])[];

function requestWith(fields: Fields, changes: Partial<AuthenticatedRequest> = {}): AuthenticatedRequest {
  const list = new FieldList({
    names: fields.map(([name]) => name),
    values: fields.map(([, value]) => value),
    neverIndexed: [],
  });
  return { method: "GET", scheme: "http", authority: "world.ns2", path: "/p?q=1", fields: list, ...changes };
}

function bearer(token: string): AuthenticatedRequest {
  return requestWith([["authorization", `Bearer ${token}`]]);
}

function setup(options: { rules?: readonly TokenRule[]; queue?: VerificationQueue } = {}) {
  let rules = options.rules ?? [testTokenRule({ jwks: keySetOf(KEY) })];
  let nowMs = NOW_MS;
  let elapsedMs = 0;
  const counts: Record<string, number> = {};
  const count = (name: string) => (): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const real = createSignatureVerifier();
  const verified: string[] = [];
  const verifySignature: VerifySignature = (token, key) => {
    verified.push(token.text);
    return real(token, key);
  };
  const authenticator = new RequestAuthenticator({
    rules: () => rules,
    clock: { now: () => nowMs, monotonicMs: () => elapsedMs, setTimeout: () => ({ cancel: () => undefined }) },
    meter: {
      allowed: count("allowed"),
      denied: count("denied"),
      preflightBypassed: count("preflight"),
      cacheHit: count("hit"),
      cacheMiss: count("miss"),
    },
    verifySignature,
    ...(options.queue !== undefined && { queue: options.queue }),
  });
  return {
    authenticator,
    counts,
    verified,
    authenticate: (request: AuthenticatedRequest, client: object = CONNECTION) =>
      authenticator.authenticate(request, client),
    setRules: (...next: readonly TokenRule[]) => {
      rules = next;
    },
    pass: (ms: number) => {
      nowMs += ms;
      elapsedMs += ms;
    },
    setClockBack: (ms: number) => {
      nowMs -= ms;
    },
  };
}

function replyOf(result: Authentication): string {
  return result.kind === "refused" ? `${result.reply.status} ${result.reply.body}` : result.kind;
}

describe("a request", () => {
  it("with a genuine token is its subject's, and the token is not forwarded", async () => {
    const { authenticate } = setup();
    const result = await authenticate(bearer(signToken(KEY, { claims: { role: "a" } })));
    expect(result).toEqual({
      kind: "verified",
      token: { issuer: ISSUER, subject: SUBJECT, claims: { iss: ISSUER, sub: SUBJECT, role: "a" } },
      edits: { headers: { removed: new Set(["authorization"]), added: [] }, path: undefined },
    });
  });

  it("without a token is anonymous, at once", () => {
    const { authenticate, counts } = setup();
    expect(authenticate(requestWith([["authorization", "Basic x"]]))).toMatchObject({ kind: "anonymous" });
    expect(counts).toEqual({ allowed: 1 });
  });

  it("to a workload without rules is anonymous, whatever it has", () => {
    const { authenticate, counts } = setup({ rules: [] });
    expect(authenticate(bearer("x"))).toEqual({ kind: "anonymous", edits: { headers: undefined, path: undefined } });
    expect(counts).toEqual({});
  });

  it.each(["PS256", "ES256", "ES384", "EdDSA"] as const)("may have a token signed with %s", async (algorithm) => {
    const key = createIssuerKey("k", algorithm);
    const { authenticate } = setup({ rules: [testTokenRule({ jwks: keySetOf(key) })] });
    expect(replyOf(await authenticate(bearer(signToken(key))))).toBe("verified");
  });

  it("is challenged by RFC 6750 if its token is refused, without its query", async () => {
    const { authenticate } = setup();
    const result = await authenticate(requestWith([], { path: '/a"b\\?access_token=x' }));
    expect(result).toEqual({
      kind: "refused",
      reply: {
        status: 401,
        flags: "-",
        details:
          "jwt_authn_access_denied{Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections}",
        body: "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        fields: [
          { name: "www-authenticate", value: 'Bearer realm="http://world.ns2/a\\"b\\\\", error="invalid_token"' },
        ],
      },
    });
  });

  it("that is a CORS preflight needs no valid token", () => {
    const { authenticate, counts } = setup();
    const fields: Fields = [
      ["origin", "https://a.example"],
      ["access-control-request-method", "PUT"],
      ["authorization", "Bearer x"],
    ];
    expect(authenticate(requestWith(fields, { method: "OPTIONS" }))).toMatchObject({ kind: "anonymous" });
    expect(replyOf(authenticateNow(authenticate(requestWith(fields))))).toMatch(/^401/);
    expect(counts).toEqual({ preflight: 1, denied: 1 });
  });
});

function authenticateNow(result: Authentication | Promise<Authentication>): Authentication {
  if (result instanceof Promise) throw new Error("the result is not synchronous");
  return result;
}

describe("a forged token is refused:", () => {
  const pem = KEY.publicKey.export({ type: "spki", format: "pem" });
  const der = KEY.publicKey.export({ type: "spki", format: "der" });
  const genuine = signToken(KEY);
  const [header = "", , signature = ""] = genuine.split(".");
  const attacker = createIssuerKey("one");
  const cases = [
    {
      name: "the algorithm none",
      token: `${unsignedToken({ alg: "none" }, { iss: ISSUER })}.`,
      text: "401 Jwt header [alg] is not supported",
    },
    {
      name: "the algorithm nOnE with a signature",
      token: `${unsignedToken({ alg: "nOnE" }, { iss: ISSUER })}.${signature}`,
      text: "401 Jwt header [alg] is not supported",
    },
    {
      name: "HS256 with the public key, as PEM",
      token: hmacToken(pem, { kid: "one" }),
      text: "401 Jwt header [alg] is not supported",
    },
    { name: "HS256 with the public key, as DER", token: hmacToken(der), text: "401 Jwt header [alg] is not supported" },
    {
      name: "HS256 with the text of the key set",
      token: hmacToken(keySetOf(KEY)),
      text: "401 Jwt header [alg] is not supported",
    },
    {
      name: "another payload under a genuine signature",
      token: `${unsignedToken({ alg: "RS256", kid: "one" }, { iss: ISSUER, sub: "admin" })}.${signature}`,
      text: "401 Jwt verification fails",
    },
    { name: "an empty signature", token: `${header}.${genuine.split(".")[1]}.`, text: "401 Jwt verification fails" },
    { name: "a truncated signature", token: genuine.slice(0, -4), text: "401 Jwt verification fails" },
    {
      name: "a key of the attacker's with the issuer's id",
      token: signToken(attacker),
      text: "401 Jwt verification fails",
    },
    {
      name: "a key that the token brings itself",
      token: signToken(attacker, { header: { jwk: publicJwk(attacker), kid: undefined } }),
      text: "401 Jwt verification fails",
    },
    {
      name: "an address of keys that the token brings itself",
      token: signToken(attacker, { header: { jku: "http://127.0.0.1/keys", x5u: "http://127.0.0.1/x" } }),
      text: "401 Jwt verification fails",
    },
    {
      name: "an injected key id",
      token: signToken(attacker, { header: { kid: "../../dev/null" } }),
      text: "401 Jwks doesn't have key to match kid or alg from Jwt",
    },
    {
      name: "a key id of SQL",
      token: signToken(attacker, { header: { kid: "x' UNION SELECT 'a" } }),
      text: "401 Jwks doesn't have key to match kid or alg from Jwt",
    },
    {
      name: "an algorithm of another key type",
      token: signToken(createIssuerKey("one", "ES256")),
      text: "401 Jwks doesn't have key to match kid or alg from Jwt",
    },
    {
      name: "a payload that is not encoded (RFC 7797)",
      token: signToken(KEY, { header: { b64: false, crit: ["b64"] } }),
      text: "401 Jwt header [crit] is not supported",
    },
    {
      name: "an unknown issuer",
      token: signToken(KEY, { claims: { iss: "https://other.example" } }),
      text: "401 Jwt issuer is not configured",
    },
    { name: "expired", token: signToken(KEY, { claims: { exp: NOW_MS / 1000 - 61 } }), text: "401 Jwt is expired" },
    {
      name: "not valid yet",
      token: signToken(KEY, { claims: { nbf: NOW_MS / 1000 + 61 } }),
      text: "401 Jwt not yet valid",
    },
    { name: "huge", token: signToken(KEY, { claims: { pad: "a".repeat(20_000) } }), text: "401 Jwt is too long" },
  ];
  it.each(cases)("$name", async ({ token, text }) => {
    const { authenticate } = setup();
    expect(replyOf(await authenticate(bearer(token)))).toBe(text);
  });

  it("a genuine one under the same rule is accepted, so that these fail for their own reason", async () => {
    expect(createPublicKey(pem).equals(KEY.publicKey)).toBe(true);
    expect(replyOf(await setup().authenticate(bearer(genuine)))).toBe("verified");
  });

  it("for another audience, with 403 as from Envoy", async () => {
    const { authenticate } = setup({ rules: [testTokenRule({ jwks: keySetOf(KEY), audiences: ["a"] })] });
    expect(replyOf(await authenticate(bearer(signToken(KEY, { claims: { aud: "b" } }))))).toBe(
      "403 Audiences in Jwt are not allowed",
    );
  });

  it("with keys that are not known, with no default (CVE-2026-31837)", async () => {
    const { authenticate, verified } = setup({ rules: [testTokenRule()] });
    expect(replyOf(await authenticate(bearer(genuine)))).toBe("401 Jwks remote fetch is failed");
    expect(verified).toEqual([]);
  });
});

describe("a token in several places", () => {
  const token = signToken(KEY);
  const other = signToken(KEY, { claims: { sub: "admin" } });
  const both = {
    fromHeaders: [
      { name: "authorization", prefix: "Bearer " },
      { name: "x-token", prefix: "" },
    ],
  };
  it.each([
    {
      name: "two fields",
      request: requestWith([
        ["authorization", `Bearer ${token}`],
        ["authorization", `Bearer ${other}`],
      ]),
    },
    {
      name: "field and query",
      request: requestWith([["authorization", `Bearer ${token}`]], { path: `/?access_token=${other}` }),
    },
    { name: "two parameters", request: requestWith([], { path: `/?access_token=${token}&access_token=${other}` }) },
    {
      name: "one that is not even a token",
      request: requestWith([["authorization", `Bearer ${token}`]], { path: "/?access_token=" }),
    },
  ])("with different contents is refused: $name", async ({ request }) => {
    const { authenticate } = setup();
    expect(replyOf(await authenticate(request))).toBe("401 Found multiple Jwt tokens");
  });

  it("with the same content is one, and is removed from each", async () => {
    const { authenticate } = setup();
    const path = `/p?access_token=${token}&q=1`;
    const result = await authenticate(requestWith([["authorization", `Bearer ${token}`]], { path }));
    expect(result).toMatchObject({
      kind: "verified",
      edits: { path: "/p?q=1", headers: { removed: new Set(["authorization"]) } },
    });
  });

  it("must be accepted by a rule that looks at all of them", async () => {
    const rules = [
      testTokenRule({ jwks: keySetOf(KEY), fromParams: ["t"] }),
      testTokenRule({ jwks: keySetOf(KEY), issuer: "https://other.example", fromHeaders: both.fromHeaders }),
    ];
    const { authenticate } = setup({ rules });
    const inHeader = requestWith([["x-token", token]], { path: `/?t=${token}` });
    expect(replyOf(await authenticate(inHeader))).toBe("401 Jwt issuer is not configured");
    expect(replyOf(await authenticate(requestWith([], { path: `/?t=${token}` })))).toBe("verified");
  });
});

describe("what the application receives", () => {
  const rule = testTokenRule({
    jwks: keySetOf(KEY),
    forwardOriginalToken: true,
    outputPayloadToHeader: "x-payload",
    outputClaimToHeaders: [{ header: "x-sub", claim: "sub" }],
  });

  it("is the payload and the claims, in place of the client's own fields in every spelling", async () => {
    const { authenticate } = setup({ rules: [rule] });
    const token = signToken(KEY);
    const result = await authenticate(bearer(token));
    expect(result).toMatchObject({
      edits: {
        headers: {
          removed: new Set(["x-payload", "x-sub"]),
          added: [
            { name: "x-payload", value: token.split(".")[1] },
            { name: "x-sub", value: SUBJECT },
          ],
        },
      },
    });
  });

  it.each([
    { name: "an anonymous request", request: requestWith([["x-sub", "admin"]]) },
    {
      name: "a preflight",
      request: requestWith(
        [
          ["origin", "a"],
          ["access-control-request-method", "GET"],
        ],
        { method: "OPTIONS" },
      ),
    },
  ])("has no such field of the client's own: $name", async ({ request }) => {
    const { authenticate } = setup({ rules: [rule] });
    const edits = { headers: { removed: new Set(["x-payload", "x-sub"]), added: [] }, path: undefined };
    expect(await authenticate(request)).toEqual({ kind: "anonymous", edits });
  });

  it("has no token that was in a cookie, but all other cookies", async () => {
    const { authenticate } = setup({ rules: [testTokenRule({ jwks: keySetOf(KEY), fromCookies: ["t"] })] });
    const result = await authenticate(requestWith([["cookie", `a=1; t=${signToken(KEY)}; b=2`]]));
    const headers = { removed: new Set(["cookie"]), added: [{ name: "cookie", value: "a=1; b=2" }] };
    expect(result).toMatchObject({ kind: "verified", edits: { headers } });
  });
});

describe("a verification", () => {
  it("is done once for each token, and then the result is known at once", async () => {
    const { authenticate, verified, counts } = setup();
    const request = bearer(signToken(KEY));
    await authenticate(request);
    expect(authenticateNow(authenticate(request)).kind).toBe("verified");
    expect(verified).toHaveLength(1);
    expect(counts).toEqual({ allowed: 2, miss: 1, hit: 1 });
  });

  it("serves all requests that wait for it", async () => {
    const { authenticate, verified } = setup();
    const request = bearer(signToken(KEY));
    const results = await Promise.all(Array.from({ length: 20 }, () => authenticate(request)));
    expect(results.every(({ kind }) => kind === "verified")).toBe(true);
    expect(verified).toHaveLength(1);
  });

  it("counts until the token expires", async () => {
    const { authenticate, pass } = setup();
    const request = bearer(signToken(KEY, { claims: { exp: NOW_MS / 1000 + 100 } }));
    await authenticate(request);
    pass(160_000);
    expect(authenticateNow(authenticate(request)).kind).toBe("verified");
    pass(1);
    expect(replyOf(authenticateNow(authenticate(request)))).toBe("401 Jwt is expired");
  });

  it("that failed is remembered only for a while, also when the wall clock is set back", async () => {
    const { authenticate, verified, pass, setClockBack } = setup();
    const request = bearer(`${signToken(KEY).slice(0, -4)}AAAA`);
    await authenticate(request);
    expect(replyOf(authenticateNow(authenticate(request)))).toBe("401 Jwt verification fails");
    expect(verified).toHaveLength(1);
    setClockBack(3_600_000);
    pass(10_001);
    await authenticate(request);
    expect(verified).toHaveLength(2);
  });

  it("is repeated when the rules have changed, and not when they are equal", async () => {
    const { authenticate, verified, setRules } = setup();
    const request = bearer(signToken(KEY));
    await authenticate(request);
    setRules(testTokenRule({ jwks: keySetOf(KEY) }));
    expect(authenticateNow(authenticate(request)).kind).toBe("verified");
    setRules(testTokenRule({ jwks: keySetOf(createIssuerKey("two")) }));
    expect(replyOf(await authenticate(request))).toBe("401 Jwks doesn't have key to match kid or alg from Jwt");
    expect(verified).toHaveLength(1);
  });

  it("that ends under other rules counts for nothing", async () => {
    const { authenticate, setRules } = setup();
    const pending = authenticate(bearer(signToken(KEY)));
    setRules(testTokenRule({ jwks: keySetOf(KEY), audiences: ["a"] }));
    expect(replyOf(await pending)).toBe("403 Audiences in Jwt are not allowed");
  });

  it("is refused with 503 where clients demand too many, and others go on", async () => {
    const queue = new VerificationQueue({ maxActive: 1, maxWaitingOfClient: 2, maxWaiting: 100 });
    const { authenticate } = setup({ queue });
    const forged = (index: number) => bearer(`${signToken(KEY, { claims: { jti: String(index) } }).slice(0, -4)}AAAA`);
    const flood = Array.from({ length: 50 }, (_, index) => authenticate(forged(index), CONNECTION));
    const honest = authenticate(bearer(signToken(KEY)), {});
    const replies = (await Promise.all(flood)).map(replyOf);
    expect(replies.filter((reply) => reply === "503 Jwt verification is overloaded")).toHaveLength(47);
    expect(replies.filter((reply) => reply === "401 Jwt verification fails")).toHaveLength(3);
    expect((await honest).kind).toBe("verified");
  });

  it("costs nothing for a token that could not be genuine", async () => {
    const { authenticate, verified } = setup();
    for (const claims of [{ iss: "x" }, { exp: 1 }, { nbf: 9e12 }])
      await authenticate(bearer(signToken(KEY, { claims })));
    await authenticate(bearer("a.b.c"));
    expect(verified).toEqual([]);
  });
});

it("a path in a log has no token", () => {
  expect(setup().authenticator.loggedPath("/p?access_token=a.b.c&q=1")).toBe("/p?access_token=[redacted]&q=1");
  expect(setup({ rules: [] }).authenticator.loggedPath("/p?access_token=a")).toBe("/p?access_token=a");
});
