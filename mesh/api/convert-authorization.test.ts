import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type Authorization, NO_AUTHORIZATION } from "../policy/authorization/authorization.ts";
import type { TokenRule } from "../policy/request-authentication/token-rule.ts";
import type { Inbound } from "../policy/types.ts";
import { inboundFromMessage, messageFromInbound } from "./convert.ts";
import { gatewayFromMessage } from "./convert-gateway.ts";
import { workloadFromMessage } from "./convert-parts.ts";
import { GatewayResourceSchema, InboundResourceSchema } from "./gen/discovery_pb.ts";

const AUTHORIZATION: Authorization = {
  pathNormalization: "MERGE_SLASHES",
  numTrustedProxies: 2,
  policies: [
    { namespace: "ns2", name: "empty", action: "ALLOW", provider: "", isDryRun: false, rules: [] },
    {
      ...{ namespace: "istio-system", name: "full", action: "CUSTOM", provider: "opa", isDryRun: true },
      rules: [
        { from: [], to: [], when: [] },
        {
          from: [[{ key: "source.namespace", values: ["ns1"], notValues: ["ns3"] }], []],
          to: [[{ key: "request.method", values: ["GET", "HEAD"], notValues: [] }]],
          when: [{ key: "request.headers[x-a]", values: [], notValues: ["b"] }],
        },
      ],
    },
  ],
};

const TOKEN_RULE: TokenRule = {
  name: "RequestAuthentication/users.ns2[0]",
  issuer: "https://issuer.example",
  audiences: ["world"],
  jwks: '{"keys":[]}',
  fromHeaders: [{ name: "x-token", prefix: "Token " }],
  fromParams: ["token"],
  fromCookies: ["session"],
  forwardOriginalToken: true,
  outputPayloadToHeader: "x-payload",
  outputClaimToHeaders: [{ header: "x-subject", claim: "sub" }],
  spaceDelimitedClaims: ["roles"],
};

const INBOUND: Inbound = {
  workload: workloadFromMessage(undefined),
  defaultMode: { mode: "STRICT", rule: "default" },
  ports: [],
  authorization: AUTHORIZATION,
  tokenRules: [TOKEN_RULE, { ...TOKEN_RULE, jwks: undefined, outputPayloadToHeader: undefined }],
};

describe("authorization on the wire", () => {
  it("arrives as it was sent, with empty lists and absent keys", () => {
    const wire = toBinary(InboundResourceSchema, messageFromInbound(INBOUND));
    expect(inboundFromMessage(fromBinary(InboundResourceSchema, wire))).toEqual(INBOUND);
  });

  it("is refused from a control plane that does not know it, by sidecars and by gateways", () => {
    const fault = "the control plane sends no authorization: it is older than this proxy; upgrade it first";
    expect(() => inboundFromMessage(create(InboundResourceSchema))).toThrow(fault);
    expect(() => gatewayFromMessage(create(GatewayResourceSchema))).toThrow(fault);
  });

  it.each(["", "allow", "LOG"])("a policy with the action %j is refused: it could be one that denies", (action) => {
    const authorization = { policies: [{ namespace: "ns2", name: "new", action }] };
    expect(() => inboundFromMessage(create(InboundResourceSchema, { authorization }))).toThrow(
      `AuthorizationPolicy/new.ns2 has the unknown action ${JSON.stringify(action)}`,
    );
  });

  it("an unknown normalisation of paths is the strictest one", () => {
    const message = messageFromInbound({ ...INBOUND, authorization: NO_AUTHORIZATION });
    if (message.authorization !== undefined) message.authorization.pathNormalization = "NEW";
    expect(inboundFromMessage(message).authorization.pathNormalization).toBe("DECODE_AND_MERGE_SLASHES");
  });

  it("a token rule without an issuer is refused", () => {
    const message = messageFromInbound({ ...INBOUND, tokenRules: [{ ...TOKEN_RULE, issuer: "" }] });
    expect(() => inboundFromMessage(message)).toThrow("RequestAuthentication/users.ns2[0] has no issuer");
  });
});
