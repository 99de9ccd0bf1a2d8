import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { decideReview } from "./review-response.ts";
import { acceptedExtra, acceptedStatus, acceptedUser, HELLO_POD, review } from "./token-fixture.ts";

const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const asked = {
  claims: { identity, pod: HELLO_POD, issuedAtMs: 0, expiresAtMs: 1e12 },
  audience: "istio-ca",
  trustDomain: parseTrustDomain("cluster.local"),
};
const POD_NAME = "authentication.kubernetes.io/pod-name";
const POD_UID = "authentication.kubernetes.io/pod-uid";

function withUser(changes: object) {
  return acceptedStatus({ user: acceptedUser({ ...changes }) });
}

function withExtra(changes: object) {
  return withUser({ extra: acceptedExtra({ ...changes }) });
}

describe("the response to a TokenReview", () => {
  it("that accepts the token names account and pod", () => {
    expect(decideReview(acceptedStatus(), asked)).toEqual({ kind: "authenticated", identity, pod: HELLO_POD });
  });

  it.each([
    { name: "not authenticated", response: acceptedStatus({ authenticated: false }), reason: "refused_by_the_api" },
    { name: "no word of authentication", response: review({ user: {} }), reason: "refused_by_the_api" },
    {
      name: "no audiences: the server did not look at them",
      response: acceptedStatus({ audiences: undefined }),
      reason: "wrong_audience",
    },
    { name: "other audiences", response: acceptedStatus({ audiences: ["api"] }), reason: "wrong_audience" },
    {
      name: "an audience that is no list",
      response: acceptedStatus({ audiences: "istio-ca" }),
      reason: "wrong_audience",
    },
    { name: "no user", response: acceptedStatus({ user: undefined }), reason: "not_a_service_account" },
    { name: "no groups", response: withUser({ groups: undefined }), reason: "not_a_service_account" },
    {
      name: "a user of other groups",
      response: withUser({ groups: ["system:masters"] }),
      reason: "not_a_service_account",
    },
    { name: "a user of another form", response: withUser({ username: "admin" }), reason: "not_a_service_account" },
    { name: "a user that is an object", response: withUser({ username: {} }), reason: "not_a_service_account" },
    {
      name: "another account",
      response: withUser({ username: "system:serviceaccount:kube-system:admin" }),
      reason: "claims_disagree",
    },
    { name: "no pod", response: withUser({ extra: undefined }), reason: "not_bound_to_a_pod" },
    { name: "a pod without a uid", response: withExtra({ [POD_UID]: undefined }), reason: "not_bound_to_a_pod" },
    { name: "two pods", response: withExtra({ [POD_NAME]: [HELLO_POD.name, "other"] }), reason: "not_bound_to_a_pod" },
    { name: "another pod", response: withExtra({ [POD_NAME]: ["other"] }), reason: "claims_disagree" },
    { name: "another pod of the same name", response: withExtra({ [POD_UID]: ["other"] }), reason: "claims_disagree" },
  ])("with $name refuses it", ({ response, reason }) => {
    expect(decideReview(response, asked)).toMatchObject({ kind: "refused", reason });
  });

  it("passes the API's reason to the log, with a limit and without control characters", () => {
    const verdict = decideReview(review({ error: `no such pod\n${"x".repeat(10_000)}` }), asked);
    const message = verdict.kind === "refused" ? verdict.message : "";
    expect(message).toContain(String.raw`no such pod\n`);
    expect(message.length).toBeLessThan(500);
  });

  it.each([
    { name: "no status", response: review(undefined) },
    { name: "a status that is text", response: review("ok") },
    { name: "neither true nor false", response: acceptedStatus({ authenticated: "true" }) },
    { name: "nothing", response: undefined },
  ])("with $name is no verdict on the token", ({ response }) => {
    expect(decideReview(response, asked)).toMatchObject({ kind: "unavailable", reason: "api_failed" });
  });

  it("accepts nothing but its own form, whatever it contains", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decideReview(value, asked).kind).not.toBe("authenticated");
        expect(decideReview(review(value), asked).kind).not.toBe("authenticated");
        expect(decideReview(acceptedStatus({ user: value }), asked).kind).not.toBe("authenticated");
      }),
    );
  });
});
