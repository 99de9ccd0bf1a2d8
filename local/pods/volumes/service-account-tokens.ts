import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** Signs service account tokens like the API server, with a key of this run. */
export interface TokenSigner {
  /** RFC 7517, for verification by the control plane. */
  readonly jwks: string;
  sign(request: TokenRequest): Promise<string>;
}

export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly audience: string;
  readonly expirationSeconds: number;
}

export const TOKEN_ISSUER = "https://kubernetes.default.svc.cluster.local";

const KEY_ID = "local";

/** Creates the key. It never leaves this process. */
export async function createTokenSigner(): Promise<TokenSigner> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: "ES256", use: "sig" };
  return {
    jwks: `${JSON.stringify({ keys: [jwk] })}\n`,
    sign: async ({ namespace, serviceAccount, pod, audience, expirationSeconds }) =>
      await new SignJWT({
        "kubernetes.io": {
          namespace,
          pod: { name: pod, uid: pod },
          serviceaccount: { name: serviceAccount, uid: serviceAccount },
        },
      })
        .setProtectedHeader({ alg: "ES256", kid: KEY_ID })
        .setIssuer(TOKEN_ISSUER)
        .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
        .setAudience(audience)
        .setIssuedAt()
        .setNotBefore("0s")
        .setExpirationTime(`${expirationSeconds}s`)
        .sign(privateKey),
  };
}
