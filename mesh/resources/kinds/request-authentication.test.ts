import { describe, expect, it } from "vitest";
import { parseResources } from "../parsing/parse-resources.ts";
import { createTestSet } from "../resource-set-fixture.ts";
import { problemsOf } from "./authorization-policy-fixture.ts";

function authentication(spec: string, annotations = "{}"): string {
  const metadata = `{name: x, namespace: ns1, annotations: ${annotations}}`;
  return `apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: ${metadata}\nspec: ${spec}`;
}
const rule = (fields: string): string => authentication(`{jwtRules: [{issuer: i, ${fields}}]}`);
const jwks = (text: string): string => rule(`jwks: '${text}'`);
const outputs = (...names: readonly string[]): string =>
  rule(`outputClaimToHeaders: [${names.map((name) => `{header: ${name}, claim: sub}`).join(", ")}]`);

describe("a RequestAuthentication is refused", () => {
  it.each([
    {
      name: "no issuer",
      text: authentication("{jwtRules: [{jwksUri: https://a/keys}]}"),
      problem: "a.yaml:4: error: RequestAuthentication/x.ns1: spec.jwtRules[0].issuer: is missing",
    },
    {
      name: "an empty issuer",
      text: authentication('{jwtRules: [{issuer: ""}]}'),
      problem: /jwtRules\[0\]\.issuer: must be at least 1 characters long, is ""/,
    },
    {
      name: "a rule that is null",
      text: authentication("{jwtRules: [null]}"),
      problem: /jwtRules\[0\]: must be a mapping/,
    },
    {
      name: "a selector and targetRefs",
      text: authentication("{selector: {}, targetRefs: [{kind: Service, name: s}]}"),
      problem: /spec\.targetRefs: has selector and targetRefs: keep one of them/,
    },
    {
      name: "a `*` in a label",
      text: authentication('{selector: {matchLabels: {a: "*"}}}'),
      problem: /spec\.selector\.matchLabels\.a: must not contain `\*`/,
    },
    { name: "a misspelled selector", text: authentication("{selctor: {}}"), problem: /has the unknown field selctor/ },
    {
      name: "a misspelled field",
      text: rule("audience: [a]"),
      problem: /jwtRules\[0\]: has the unknown field audience/,
    },
    {
      name: "an empty audience",
      text: rule('audiences: [""]'),
      problem: /audiences\[0\]: must be at least 1 characters/,
    },
    {
      name: "keys at a path of a file",
      text: rule("jwksUri: file:///etc/keys"),
      problem: /jwksUri: must be a URL with https:\/\/ or http:\/\/, is "file:\/\/\/etc\/keys"/,
    },
    { name: "keys at no URL", text: rule("jwksUri: keys"), problem: /jwksUri: must be a URL with https/ },
    {
      name: "a password in a URL",
      text: rule("jwksUri: https://u:p@a/keys"),
      problem: /jwksUri: must not contain a user or a password/,
    },
    {
      name: "the older spelling of jwksUri",
      text: rule("jwks_uri: https://a"),
      problem: /jwks_uri: is the older spelling: write it `jwksUri`/,
    },
    {
      name: "both jwks and jwksUri",
      text: rule(`jwksUri: https://a, jwks: '{"keys":[]}'`),
      problem: /jwksUri: is given together with `jwks`: keep one of them/,
    },
    { name: "keys that are no JSON", text: jwks("{"), problem: /jwks: must be a JSON Web Key Set/ },
    { name: "keys in PEM", text: jwks("-----BEGIN CERTIFICATE-----"), problem: /convert a PEM certificate/ },
    { name: "a single key", text: jwks('{"kty":"RSA","n":"AQ","e":"AQAB"}'), problem: /put a single key into `keys`/ },
    { name: "a key without a type", text: jwks('{"keys":[{"n":"AQ"}]}'), problem: /must be a JSON Web Key Set/ },
    { name: "an empty text of keys", text: jwks(""), problem: /must be a JSON Web Key Set/ },
    {
      name: "an incomplete key",
      text: jwks('{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AQ"},{"kty":"EC","crv":"P-256","x":"AQ"}]}'),
      problem: /has an incomplete EC key at keys\[1\]: check y/,
    },
    {
      name: "a number that is not base64url",
      text: jwks('{"keys":[{"kty":"RSA","n":"A+/","e":"AQAB"}]}'),
      problem: /check n/,
    },
    {
      name: "a secret key",
      text: jwks('{"keys":[{"kty":"oct","k":"AQ"}]}'),
      problem: /has a private or a secret key at keys\[0\]: give the public key alone/,
    },
    {
      name: "a private key",
      text: jwks('{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ"}]}'),
      problem: /has a private or a secret key/,
    },
    {
      name: "a field without a name",
      text: rule("fromHeaders: [{prefix: x}]"),
      problem: /fromHeaders\[0\]\.name: is missing/,
    },
    {
      name: "an empty field",
      text: rule('fromHeaders: [{name: ""}]'),
      problem: /name: "" is not a usable header name/,
    },
    { name: "a field that is null", text: rule("fromHeaders: [null]"), problem: /fromHeaders\[0\]: must be a mapping/ },
    {
      name: "a field with a space",
      text: rule("fromHeaders: [{name: a b}]"),
      problem: /"a b" is not a usable header name/,
    },
    {
      name: "a prefix with a line break",
      text: rule('fromHeaders: [{name: a, prefix: "x\\r\\ny"}]'),
      problem: /prefix: must be printable ASCII/,
    },
    {
      name: "a field twice",
      text: rule("fromHeaders: [{name: a, prefix: x}, {name: A, prefix: x}]"),
      problem: /fromHeaders\[1\]: repeats "a x": remove one of them/,
    },
    { name: "an empty parameter", text: rule('fromParams: [""]'), problem: /fromParams\[0\]: must be at least 1/ },
    { name: "a parameter twice", text: rule("fromParams: [a, a]"), problem: /fromParams\[1\]: repeats "a"/ },
    { name: "an empty cookie", text: rule('fromCookies: [""]'), problem: /fromCookies\[0\]: must be at least 1/ },
    { name: "a cookie twice", text: rule("fromCookies: [a, b, a]"), problem: /fromCookies\[2\]: repeats "a"/ },
    {
      name: "an output without a claim",
      text: rule("outputClaimToHeaders: [{header: a}]"),
      problem: /claim: is missing/,
    },
    {
      name: "an output with an empty claim",
      text: rule('outputClaimToHeaders: [{header: a, claim: ""}]'),
      problem: /claim: must be/,
    },
    { name: "an output with an empty field", text: outputs('""'), problem: /header: "" is not a usable header name/ },
    {
      name: "an output to the length",
      text: outputs("Content-Length"),
      problem: /cannot be changed by configuration: it frames/,
    },
    {
      name: "an output to the peer's identity",
      text: outputs("X_Forwarded_Client_Cert"),
      problem: /it carries the identity that the proxy verified/,
    },
    { name: "an output to a pseudo-header", text: outputs('":path"'), problem: /is a pseudo-header/ },
    {
      name: "two outputs to one field",
      text: outputs("x-a", "X_A"),
      problem: /outputClaimToHeaders\[1\]: repeats "x-a"/,
    },
    {
      name: "a claim in the field of the payload",
      text: rule("outputPayloadToHeader: X-A, outputClaimToHeaders: [{header: x-a, claim: sub}]"),
      problem: /outputClaimToHeaders\[0\]: repeats "x-a"/,
    },
    { name: "a payload to the host", text: rule("outputPayloadToHeader: host"), problem: /it names the server/ },
    { name: "a timeout that is no duration", text: rule("timeout: 5"), problem: /timeout: must be text, is 5/ },
    { name: "a timeout of 0", text: rule("timeout: 0s"), problem: /timeout: must be at least 1ms/ },
    {
      name: "an empty claim to split",
      text: rule('spaceDelimitedClaims: [""]'),
      problem: /spaceDelimitedClaims\[0\]: must be/,
    },
    {
      name: "a dry run",
      text: authentication("{}", '{istio.io/dry-run: "true"}'),
      problem: /is not for RequestAuthentication, which would be enforced: remove the annotation/,
    },
  ])("with $name", ({ text, problem }) => {
    expect(parseResources({ text, file: "a.yaml" }).resources).toEqual([]);
    if (typeof problem === "string") expect(problemsOf(text)).toContain(problem);
    else expect(problemsOf(text).join("\n")).toMatch(problem);
  });
});

describe("a RequestAuthentication is accepted", () => {
  const keys = '{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"unknown"}]}';

  it.each([
    { name: "without rules", text: authentication("{}"), spec: { jwtRules: [], targetRefs: [] } },
    {
      name: "with the issuer alone",
      text: authentication("{jwtRules: [{issuer: i}]}"),
      spec: { jwtRules: [{ issuer: "i", audiences: [], fromHeaders: [], forwardOriginalToken: false }] },
    },
    { name: "with keys of known and unknown types", text: jwks(keys), spec: { jwtRules: [{ jwks: keys }] } },
    {
      name: "with every other field",
      text: rule(
        "jwksUri: http://a:8080/keys, audiences: [a], fromHeaders: [{name: X, prefix: 'T '}, {name: X}], fromParams: [p], fromCookies: [c], outputPayloadToHeader: X-P, forwardOriginalToken: true, outputClaimToHeaders: [{header: X-S, claim: a.b}], timeout: 2s, spaceDelimitedClaims: [g]",
      ),
      spec: {
        jwtRules: [
          {
            jwksUri: "http://a:8080/keys",
            fromHeaders: [
              { name: "X", prefix: "T " },
              { name: "X", prefix: "" },
            ],
            outputClaimToHeaders: [{ header: "X-S", claim: "a.b" }],
            forwardOriginalToken: true,
            timeout: 2000,
          },
        ],
      },
    },
    {
      name: "with nulls, as if they were absent",
      text: rule("audiences: null, jwks: null"),
      spec: { jwtRules: [{ audiences: [] }] },
    },
  ])("$name", ({ text, spec }) => {
    expect(problemsOf(text)).toEqual([]);
    for (const version of ["v1", "v1beta1"]) {
      const set = createTestSet(text.replace("/v1\n", `/${version}\n`));
      expect(set.requestAuthentications.get("ns1/x")).toMatchObject({ kind: "RequestAuthentication", spec });
      expect(set.index.requestAuthenticationsByNamespace.get("ns1")).toHaveLength(1);
    }
  });
});
