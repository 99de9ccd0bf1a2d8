import { randomBytes, randomUUID } from "node:crypto";
import { KINDS } from "../../kinds.ts";
import type { KubernetesObject } from "../../kubernetes-api.ts";
import type { Fields } from "../../requests/api-response.ts";
import { storageKey } from "../storage/served-kinds.ts";
import type { TestCluster } from "../test-cluster.ts";

/** Who a caller is, once authenticated. */
export interface Identity {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod that the token is bound to: it ends with the pod. @default bound to none */
  readonly pod?: KubernetesObject;
  /** @default the API server's own */
  readonly audiences?: readonly string[];
  /** @default one hour */
  readonly lifetimeMs?: number;
}

/** The audience of tokens for the API server itself. */
export const API_AUDIENCE = "https://kubernetes.default.svc.cluster.local";

interface IssuedToken {
  readonly request: TokenRequest;
  readonly accountUid: string | undefined;
  readonly audiences: readonly string[];
  readonly expiresMs: number;
  readonly id: string;
}

/** The tokens of a test cluster: of users, and of service accounts as the kubelet requests them. */
export class Identities {
  readonly #cluster: TestCluster;
  readonly #now: () => number;
  readonly #users = new Map<string, Identity>();
  readonly #tokens = new Map<string, IssuedToken>();

  constructor(cluster: TestCluster, now: () => number) {
    this.#cluster = cluster;
    this.#now = now;
  }

  /** A token of a user without end. */
  addUser(name: string, groups: readonly string[] = []): string {
    const token = `user-${randomUUID()}`;
    this.#users.set(token, { name, groups: [...groups, "system:authenticated"], extra: {} });
    return token;
  }

  /** A JWT as the API server issues them. Its signature is random: only this server judges it. */
  issueToken(request: TokenRequest): string {
    const { namespace, serviceAccount, pod, audiences = [API_AUDIENCE], lifetimeMs = 3_600_000 } = request;
    const accountUid = this.#account(namespace, serviceAccount)?.metadata.uid;
    const id = randomUUID();
    const nowMs = this.#now();
    const expiresMs = nowMs + lifetimeMs;
    const claims = {
      iss: API_AUDIENCE,
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      aud: audiences,
      iat: Math.floor(nowMs / 1000),
      nbf: Math.floor(nowMs / 1000),
      exp: Math.floor(expiresMs / 1000),
      jti: id,
      "kubernetes.io": {
        namespace,
        serviceaccount: { name: serviceAccount, uid: accountUid },
        ...(pod && { pod: { name: pod.metadata.name, uid: pod.metadata.uid } }),
      },
    };
    const parts = [{ alg: "RS256", kid: "test" }, claims].map((part) => base64url(JSON.stringify(part)));
    const token = [...parts, randomBytes(64).toString("base64url")].join(".");
    this.#tokens.set(token, { request, accountUid, audiences, expiresMs, id });
    return token;
  }

  /** Who a token of the API server's own audience names; undefined: 401. */
  authenticate(token: string): Identity | undefined {
    return this.#users.get(token) ?? this.#judge(token, [API_AUDIENCE]).identity;
  }

  /** The `status` of a TokenReview. */
  review(token: string, audiences: readonly string[]): Fields {
    const user = this.#users.get(token);
    const wanted = audiences.length === 0 ? [API_AUDIENCE] : audiences;
    const verdict = user === undefined ? this.#judge(token, wanted) : { identity: user, audiences: wanted };
    if (verdict.identity === undefined) return { user: {}, error: verdict.error };
    const { name, uid, groups, extra } = verdict.identity;
    return { authenticated: true, user: { username: name, uid, groups, extra }, audiences: verdict.audiences };
  }

  #judge(token: string, wanted: readonly string[]): Verdict {
    const issued = this.#tokens.get(token);
    if (issued === undefined) return refused("invalid bearer token");
    if (this.#now() >= issued.expiresMs) return refused("service account token has expired");
    const audiences = wanted.filter((audience) => issued.audiences.includes(audience));
    if (audiences.length === 0) {
      return refused(`token audiences ${list(issued.audiences)} is invalid for the target audiences ${list(wanted)}`);
    }
    const { namespace, serviceAccount, pod } = issued.request;
    const account = this.#account(namespace, serviceAccount);
    if (account === undefined || account.metadata.uid !== issued.accountUid) {
      return refused(`service account ${namespace}/${serviceAccount} has been deleted`);
    }
    if (pod !== undefined && this.#pod(pod)?.metadata.uid !== pod.metadata.uid) {
      return refused("service account token has been invalidated: its pod has been deleted");
    }
    return { identity: accountIdentity(issued), audiences };
  }

  #account(namespace: string, name: string): KubernetesObject | undefined {
    return this.#cluster.history.get(storageKey(KINDS.serviceAccounts), `${namespace}/${name}`);
  }

  #pod({ metadata }: KubernetesObject): KubernetesObject | undefined {
    return this.#cluster.history.get(storageKey(KINDS.pods), `${metadata.namespace}/${metadata.name}`);
  }
}

type Verdict =
  | { readonly identity: Identity; readonly audiences: readonly string[] }
  | { readonly identity: undefined; readonly error: string };

function refused(error: string): Verdict {
  return { identity: undefined, error: `[invalid bearer token, ${error}]` };
}

function accountIdentity({ request, accountUid, id }: IssuedToken): Identity {
  const { namespace, serviceAccount, pod } = request;
  const { name, uid } = pod?.metadata ?? {};
  return {
    name: `system:serviceaccount:${namespace}:${serviceAccount}`,
    ...(accountUid !== undefined && { uid: accountUid }),
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    extra: {
      "authentication.kubernetes.io/credential-id": [`JTI=${id}`],
      ...(name !== undefined && { "authentication.kubernetes.io/pod-name": [name] }),
      ...(uid !== undefined && { "authentication.kubernetes.io/pod-uid": [uid] }),
    },
  };
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}

function list(values: readonly string[]): string {
  return `[${values.join(" ")}]`;
}
