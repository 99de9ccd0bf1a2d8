import { describe, expect, it } from "vitest";
import { parseObject } from "../../resources/parsing/parse-resources.ts";
import { createResourceSet } from "../../resources/resource-set.ts";
import { findTestPod, TEST_SETTINGS } from "../../resources/resource-set-fixture.ts";
import { decideInbound } from "../inbound.ts";
import { createIssuerKey, keySetOf } from "../request-authentication/token-issuer-fixture.ts";
import { connectionOf, policyOf, requestOf } from "./authorization-fixture.ts";
import { compileAuthorization, decideAuthorization } from "./decide-authorization.ts";
import { limitPolicies } from "./limit-policies.ts";

function judge(policies: ReturnType<typeof limitPolicies>) {
  const compiled = compileAuthorization({ policies });
  const { kind, ruleId } = decideAuthorization(compiled, { connection: connectionOf(), request: requestOf() });
  return `${kind} ${ruleId}`;
}

const DENIED = "denied ns[evil]-policy[too-large-authorization-policies]-rule[0]";

describe("policies of one proxy", () => {
  it("are not read further than that, however many there are", () => {
    let read = 0;
    const endless = (function* () {
      for (;;) {
        read += 1;
        yield policyOf("ALLOW", [{ to: [{ paths: ["/".repeat(1_000_000)] }] }]);
      }
    })();
    expect(judge(limitPolicies(endless, "evil"))).toBe(DENIED);
    expect(read).toBe(7);
  });
});

function objectOf(kind: string, name: string, spec: object) {
  return { apiVersion: "security.istio.io/v1", kind, metadata: { name, namespace: "evil" }, spec };
}

describe("the policies of a namespace", () => {
  const large = (kind: string, spec: object): readonly object[] =>
    Array.from({ length: 10 }, (_, index) => objectOf(kind, `p${index}`, spec));
  const inboundOf = (objects: readonly object[]) => {
    const web = objectOf("Pod", "web", { containers: [] });
    const set = createResourceSet(
      [{ ...web, apiVersion: "v1" }, ...objects].flatMap((each) => parseObject({ ...each }).resources),
    );
    return decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "evil/web") });
  };

  it("cannot keep away those of the mesh by their size", () => {
    const value = `/${"a".repeat(1000)}`;
    const paths = Array.from({ length: 700 }, (_, index) => `${value}${index}`);
    const rules = [{ to: [{ operation: { paths } }] }];
    const { authorization } = inboundOf(large("AuthorizationPolicy", { action: "ALLOW", rules }));
    expect(judge(authorization.policies)).toBe(DENIED);
  });

  it("cannot do it by token rules either, which then count no token", () => {
    const jwks = keySetOf(...Array.from({ length: 20 }, (_, index) => createIssuerKey(String(index), "ES256")));
    const jwtRules = Array.from({ length: 200 }, (_, index) => ({ issuer: `https://${index}.example`, jwks }));
    const { authorization, tokenRules } = inboundOf(large("RequestAuthentication", { jwtRules }));
    expect(tokenRules).toEqual([]);
    expect(judge(authorization.policies)).toContain("denied ns[evil]-policy[too-large-request-authentications]");
  });
});
