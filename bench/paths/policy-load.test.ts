import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { connectionOf, requestOf } from "../../mesh/policy/authorization/authorization-fixture.ts";
import { compileAuthorization, decideAuthorization } from "../../mesh/policy/authorization/decide-authorization.ts";
import { CLIENT_ID } from "./identities.ts";
import { createPolicies, MATCHING_HEADER, type PolicyLoad } from "./policy-load.ts";

const LOADS: readonly PolicyLoad[] = [1, 10, 1000].flatMap((count) => [
  { count, by: "identity" },
  { count, by: "header" },
]);

describe.each(LOADS)("$count policies by $by", ({ count, by }) => {
  const connection = connectionOf({ peer: parseSpiffeId(CLIENT_ID) });
  const request = requestOf({ headers: { [MATCHING_HEADER.name]: [MATCHING_HEADER.value] } });
  const decide = (policies: ReturnType<typeof createPolicies>) =>
    decideAuthorization(compileAuthorization({ policies }), { connection, request });

  it("allow the bench's request by the last one, and by no other", () => {
    const policies = createPolicies({ count, by });
    const last = `ns[bench]-policy[policy-${String(count - 1).padStart(5, "0")}]-rule[0]`;
    expect(policies.map(({ name }) => name)).toEqual(policies.map(({ name }) => name).sort());
    expect(decide(policies)).toMatchObject({ kind: "allowed", ruleId: last });
    const others = policies.slice(0, -1);
    expect(decide(others).kind).toBe(others.length === 0 ? "allowed" : "denied");
  });
});
