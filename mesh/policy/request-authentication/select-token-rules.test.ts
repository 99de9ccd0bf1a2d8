import { describe, expect, it } from "vitest";
import { createTestSet, findTestPod, TEST_SETTINGS, testPod } from "../../resources/resource-set-fixture.ts";
import { decideInbound } from "../inbound.ts";
import { decideTokenRules } from "./select-token-rules.ts";
import { createIssuerKey, publicJwk } from "./token-issuer-fixture.ts";

const POD = testPod({ name: "web", namespace: "ns1", labels: { app: "web" } });

interface Tokens {
  readonly name: string;
  readonly namespace?: string;
  readonly issuer?: string;
  readonly spec?: object;
}

function tokens({ name, namespace = "ns1", issuer = name, spec = {} }: Tokens): string {
  return JSON.stringify({
    apiVersion: "security.istio.io/v1",
    kind: "RequestAuthentication",
    metadata: { name, namespace },
    spec: { jwtRules: [{ issuer, jwksUri: `https://${issuer}.example/keys` }], ...spec },
  });
}

function decide(
  texts: readonly string[],
  options: { keySets?: ReadonlyMap<string, string>; role?: "sidecar" | "gateway" } = {},
) {
  const set = createTestSet(POD, ...texts);
  const pod = findTestPod(set, "ns1/web");
  return decideTokenRules({ set, settings: TEST_SETTINGS, pod, role: "sidecar", ...options });
}

describe("the token rules of a pod", () => {
  const selector = { matchLabels: { app: "web" } };
  const other = { matchLabels: { app: "db" } };
  const targetRefs = [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "gw" }];
  it.each([
    { name: "its namespace", policy: { name: "a" }, applies: true },
    { name: "its labels", policy: { name: "a", spec: { selector } }, applies: true },
    { name: "other labels", policy: { name: "a", spec: { selector: other } }, applies: false },
    { name: "another namespace", policy: { name: "a", namespace: "ns2" }, applies: false },
    { name: "the mesh", policy: { name: "a", namespace: "istio-system" }, applies: true },
    {
      name: "its labels, everywhere in the mesh",
      policy: { name: "a", namespace: "istio-system", spec: { selector } },
      applies: true,
    },
    {
      name: "other labels in the mesh",
      policy: { name: "a", namespace: "istio-system", spec: { selector: other } },
      applies: false,
    },
    { name: "a gateway", policy: { name: "a", spec: { targetRefs } }, applies: false },
  ] satisfies readonly { name: string; policy: Tokens; applies: boolean }[])(
    "are those for $name: $applies",
    ({ policy, applies }) => {
      const withRules = {
        ...policy,
        spec: { jwtRules: [{ issuer: "i", jwksUri: "https://i.example" }], ...policy.spec },
      };
      expect(decide([tokens(withRules)])).toHaveLength(applies ? 1 : 0);
    },
  );

  it("are those of all policies together, in the order of their names", () => {
    const texts = [tokens({ name: "b" }), tokens({ name: "a" }), tokens({ name: "z", namespace: "istio-system" })];
    expect(decide(texts).map(({ name }) => name)).toEqual([
      "RequestAuthentication/z.istio-system[0]",
      "RequestAuthentication/a.ns1[0]",
      "RequestAuthentication/b.ns1[0]",
    ]);
  });

  it("are part of what its sidecar receives", () => {
    const set = createTestSet(POD, tokens({ name: "a" }));
    const keySets = new Map([["https://a.example/keys", '{"keys":[]}']]);
    const inbound = decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/web"), keySets });
    expect(inbound.tokenRules).toMatchObject([{ issuer: "a", jwks: '{"keys":[]}' }]);
  });
});

describe("a token rule", () => {
  it("has what its entry says", () => {
    const rule = {
      issuer: "i",
      audiences: ["a"],
      jwksUri: "https://i.example/keys",
      fromHeaders: [{ name: "X-Token", prefix: "JWT " }],
      fromParams: ["p"],
      fromCookies: ["c"],
      outputPayloadToHeader: "X-Payload",
      forwardOriginalToken: true,
      outputClaimToHeaders: [{ header: "X-Sub", claim: "sub" }],
      spaceDelimitedClaims: ["roles"],
    };
    expect(decide([tokens({ name: "a", spec: { jwtRules: [rule] } })])).toEqual([
      {
        name: "RequestAuthentication/a.ns1[0]",
        issuer: "i",
        audiences: ["a"],
        jwks: undefined,
        fromHeaders: [{ name: "x-token", prefix: "JWT " }],
        fromParams: ["p"],
        fromCookies: ["c"],
        outputPayloadToHeader: "x-payload",
        forwardOriginalToken: true,
        outputClaimToHeaders: [{ header: "x-sub", claim: "sub" }],
        spaceDelimitedClaims: ["roles"],
      },
    ]);
  });

  it("has the keys that were fetched for its address or its issuer, and none before", () => {
    const texts = [
      tokens({
        name: "a",
        spec: { jwtRules: [{ issuer: "i", jwksUri: "https://i.example" }, { issuer: "https://o" }] },
      }),
    ];
    expect(decide(texts).map(({ jwks }) => jwks)).toEqual([undefined, undefined]);
    const keySets = new Map([
      ["https://i.example", "of i"],
      ["openid https://o", "of o"],
      ["https://o", "of another"],
    ]);
    expect(decide(texts, { keySets }).map(({ jwks }) => jwks)).toEqual(["of i", "of o"]);
  });

  it("has its own keys, without what is not public about them", () => {
    const jwk = publicJwk(createIssuerKey("one", "ES256"));
    const jwks = JSON.stringify({ keys: [{ ...jwk, x5c: ["AAAA"] }] });
    const [rule] = decide([tokens({ name: "a", spec: { jwtRules: [{ issuer: "i", jwks }] } })]);
    const { use: _use, ...members } = jwk;
    expect(JSON.parse(rule?.jwks ?? "")).toEqual({ keys: [members] });
  });
});
