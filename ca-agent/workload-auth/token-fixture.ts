/** For tests: tokens as the kubelet mounts them, unsigned in all but form, and the API's responses about them. */
import type { ReviewObject } from "../../kubernetes/kubernetes-api.ts";

export interface TokenOptions {
  readonly header?: object;
  /** Replaces claims; undefined leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly nowMs: number;
}

export const HELLO_POD = { name: "hello-7d9c-x2x", uid: "6b2f0a3e-95b4-4b8a-9d33-3f2f3f0c1a11" };
const HOUR_S = 3600;

/** A token of hello in ns1 with the audience `istio-ca`. Only an API server can verify its signature. */
export function createToken({ header = {}, claims = {}, nowMs }: TokenOptions): string {
  const nowS = Math.floor(nowMs / 1000);
  const payload = {
    iss: "https://kubernetes.default.svc",
    sub: "system:serviceaccount:ns1:hello",
    aud: ["istio-ca"],
    iat: nowS,
    nbf: nowS,
    exp: nowS + 12 * HOUR_S,
    "kubernetes.io": { namespace: "ns1", serviceaccount: { name: "hello", uid: "sa-uid" }, pod: HELLO_POD },
    ...claims,
  };
  return [{ alg: "RS256", kid: "k", ...header }, payload].map(encode).concat("c2lnbmF0dXJl").join(".");
}

/** The status of a token that the API accepts; undefined leaves a field out. */
export function acceptedStatus(changes: Readonly<Record<string, unknown>> = {}): ReviewObject {
  return review({
    authenticated: true,
    audiences: ["istio-ca"],
    user: acceptedUser(),
    ...changes,
  });
}

export function acceptedUser(changes: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    username: "system:serviceaccount:ns1:hello",
    uid: "sa-uid",
    groups: ["system:serviceaccounts", "system:serviceaccounts:ns1", "system:authenticated"],
    extra: acceptedExtra(),
    ...changes,
  };
}

export function acceptedExtra(changes: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    "authentication.kubernetes.io/credential-id": ["JTI=1"],
    "authentication.kubernetes.io/pod-name": [HELLO_POD.name],
    "authentication.kubernetes.io/pod-uid": [HELLO_POD.uid],
    ...changes,
  };
}

export function review(status: unknown): ReviewObject {
  return { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", metadata: {}, spec: {}, status };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
