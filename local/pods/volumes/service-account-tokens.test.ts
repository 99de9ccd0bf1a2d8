import { createLocalJWKSet, jwtVerify } from "jose";
import { expect, it } from "vitest";
import { createTokenSigner, TOKEN_ISSUER } from "./service-account-tokens.ts";

it("tokens have the claims of an API server's: subject, audience, pod and expiry", async () => {
  const signer = await createTokenSigner();
  const token = await signer.sign({
    namespace: "ns1",
    serviceAccount: "default",
    pod: "hello-1",
    audience: "istio-ca",
    expirationSeconds: 600,
  });
  const { payload } = await jwtVerify(token, createLocalJWKSet(JSON.parse(signer.jwks)), {
    issuer: TOKEN_ISSUER,
    audience: "istio-ca",
  });
  expect(payload).toMatchObject({
    sub: "system:serviceaccount:ns1:default",
    "kubernetes.io": { namespace: "ns1", serviceaccount: { name: "default" }, pod: { name: "hello-1" } },
  });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600);
  expect(signer.jwks).not.toContain('"d"');
});
