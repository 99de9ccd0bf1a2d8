import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { policyOf } from "../policy/authorization/authorization-fixture.ts";
import { limitPolicies, MAX_POLICY_BYTES } from "../policy/authorization/limit-policies.ts";
import { messageFromAuthorization } from "./convert-authorization.ts";
import { AuthorizationSchema } from "./gen/discovery_pb.ts";

/** Policies of about this many bytes. */
function policiesOf(bytes: number, value: string) {
  const perPolicy = Math.floor(bytes / (Buffer.byteLength(value) + 8) / 100);
  const paths = Array.from({ length: perPolicy }, () => value);
  return Array.from({ length: 100 }, (_, index) => policyOf("ALLOW", [{ to: [{ paths }] }], { name: `p${index}` }));
}

function messageBytes(policies: ReturnType<typeof limitPolicies>): number {
  const message = messageFromAuthorization({ policies, pathNormalization: "BASE", numTrustedProxies: 0 });
  return toBinary(AuthorizationSchema, create(AuthorizationSchema, message)).length;
}

describe("a message with the policies of one proxy", () => {
  it.each(["", "/a", "/\u20ac\u20ac", `/${"a".repeat(1000)}`])("has room for as many as are allowed: %j", (value) => {
    const policies = limitPolicies(policiesOf(MAX_POLICY_BYTES * 0.97, value), "ns1");
    expect(policies).toHaveLength(100);
    expect(messageBytes(policies)).toBeLessThan(MAX_POLICY_BYTES);
  });

  it("is small in place of one that would be too large", () => {
    expect(messageBytes(limitPolicies(policiesOf(MAX_POLICY_BYTES * 1.03, "/a"), "ns1"))).toBeLessThan(200);
  });
});
