import { describe, expect, it } from "vitest";
import { findTestPod, TEST_SETTINGS } from "../../resources/resource-set-fixture.ts";
import { coldStart } from "../authentication/cold-start-fixture.ts";
import { decideInbound } from "../inbound.ts";
import { connectionOf, requestOf } from "./authorization-fixture.ts";
import { compileAuthorization, decideAuthorization } from "./decide-authorization.ts";

function policy(kind: string, spec: string, place = "name: x, namespace: ns1"): string {
  return `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {${place}}\nspec: ${spec}`;
}
const ALL = ["ns1/web", "ns1/db", "ns2/web"];
const inbound = (set: ReturnType<typeof coldStart>, key: string) =>
  decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, key) });

/** The workloads that refuse a request and a stream of any client. */
function closed(...texts: readonly string[]): readonly string[] {
  const set = coldStart(...texts);
  return ALL.filter((key) => {
    const compiled = compileAuthorization(inbound(set, key).authorization);
    const verdicts = [requestOf(), undefined].map(
      (request) => decideAuthorization(compiled, { connection: connectionOf(), request }).kind,
    );
    expect(new Set(verdicts).size).toBe(1);
    return verdicts[0] === "denied";
  });
}

const WEB = "selector: {matchLabels: {app: web}}";

describe("a cold start with an invalid policy", () => {
  it.each([
    { name: "for a workload", text: policy("AuthorizationPolicy", `{${WEB}, action: DENY}`), expected: ["ns1/web"] },
    { name: "for a namespace", text: policy("AuthorizationPolicy", "{rules: 1}"), expected: ["ns1/web", "ns1/db"] },
    {
      name: "for the mesh",
      text: policy("AuthorizationPolicy", "{rules: 1}", "name: x, namespace: istio-system"),
      expected: ALL,
    },
    {
      name: "of which the namespace is unreadable",
      text: policy("AuthorizationPolicy", "{}", "name: x, namespace: [n]"),
      expected: ALL,
    },
    {
      name: "about tokens, of which the places are unreadable",
      text: policy("RequestAuthentication", `{${WEB}, jwtRules: [{issuer: i, fromHeader: [{name: x}]}]}`),
      expected: ["ns1/web"],
    },
    {
      name: "about tokens, of which nothing is readable",
      text: policy("RequestAuthentication", "1", "name: x, namespace: [n]"),
      expected: ALL,
    },
    { name: "that would only audit", text: policy("AuthorizationPolicy", "{action: AUDIT, rules: 1}"), expected: [] },
  ])("$name denies everything in its scope", ({ text, expected }) => {
    expect(closed(text)).toEqual(expected);
    const allowing = policy("AuthorizationPolicy", "{rules: [{}]}", "name: a, namespace: istio-system");
    expect(closed(allowing, text)).toEqual(expected);
  });

  it("about tokens verifies none of them in the places that it names, and keeps clients from its outputs", () => {
    const place = "fromHeaders: [{name: X-Token}], outputPayloadToHeader: X-Payload";
    const set = coldStart(policy("RequestAuthentication", `{${WEB}, jwtRules: [{issuer: "", ${place}}]}`));
    expect(closed()).toEqual([]);
    expect(inbound(set, "ns1/web").tokenRules).toMatchObject([
      { fromHeaders: [{ name: "x-token" }], outputPayloadToHeader: "x-payload", jwks: '{"keys":[]}' },
    ]);
    expect(inbound(set, "ns1/db").tokenRules).toEqual([]);
  });
});
