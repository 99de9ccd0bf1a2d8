import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { KINDS } from "../../kinds.ts";
import type { KubernetesObject } from "../../kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes-api-error.ts";
import { startTestApiServer, type TestApiServer } from "../test-api-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOUR_MS = 3_600_000;

interface Setup {
  readonly server: TestApiServer;
  readonly pod: KubernetesObject;
  readonly advance: (ms: number) => void;
}

async function setUp(): Promise<Setup> {
  let nowMs = Date.now();
  const server = await startTestApiServer(cleanup, { now: () => nowMs, authorization: "rbac" });
  const metadata = { name: "world", namespace: "default" };
  server.cluster.create(KINDS.serviceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  const pod = server.cluster.create(KINDS.pods, { apiVersion: "v1", kind: "Pod", metadata });
  return {
    server,
    pod,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

async function review(
  { server }: Setup,
  token: string,
  audiences: readonly string[],
): Promise<Record<string, unknown>> {
  const spec = { token, audiences };
  const object = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec };
  const { status } = await server.client().review(KINDS.tokenReviews, object);
  return { ...Object(status) };
}

describe("TokenReview", () => {
  it("names account, pod and audience of a bound token", async () => {
    const setup = await setUp();
    const { server, pod } = setup;
    const token = server.identities.issueToken({
      namespace: "default",
      serviceAccount: "world",
      pod,
      audiences: ["istio-ca"],
    });
    expect(await review(setup, token, ["istio-ca", "other"])).toMatchObject({
      authenticated: true,
      audiences: ["istio-ca"],
      user: {
        username: "system:serviceaccount:default:world",
        groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        extra: {
          "authentication.kubernetes.io/pod-name": ["world"],
          "authentication.kubernetes.io/pod-uid": [pod.metadata.uid],
        },
      },
    });
  });

  it.each<{ readonly name: string; readonly spoil: (setup: Setup) => void; readonly error: RegExp }>([
    { name: "for another audience", spoil: () => undefined, error: /audiences \[istio-ca\] is invalid/ },
    { name: "that has expired", spoil: ({ advance }) => advance(HOUR_MS), error: /has expired/ },
    {
      name: "of a deleted pod",
      spoil: ({ server, pod }) => server.cluster.delete(KINDS.pods, pod.metadata),
      error: /its pod has been deleted/,
    },
    {
      name: "of a pod that was deleted and made again under its name",
      spoil: ({ server, pod: { metadata } }) => {
        const { name, namespace = "" } = metadata;
        server.cluster.delete(KINDS.pods, metadata);
        server.cluster.create(KINDS.pods, { apiVersion: "v1", kind: "Pod", metadata: { name, namespace } });
      },
      error: /its pod has been deleted/,
    },
    {
      name: "of a deleted service account",
      spoil: ({ server, pod }) => server.cluster.delete(KINDS.serviceAccounts, pod.metadata),
      error: /service account default\/world has been deleted/,
    },
  ])("does not authenticate a token $name", async ({ name, spoil, error }) => {
    const setup = await setUp();
    const { server, pod } = setup;
    const request = { namespace: "default", serviceAccount: "world", pod, audiences: ["istio-ca"] };
    const token = server.identities.issueToken(request);
    spoil(setup);
    const status = await review(setup, token, name === "for another audience" ? ["vault"] : ["istio-ca"]);
    expect(status["authenticated"]).toBeUndefined();
    expect(status["error"]).toMatch(error);
  });

  it("does not authenticate an invented token", async () => {
    expect((await review(await setUp(), "e30.e30.x", []))["error"]).toMatch(/invalid bearer token/);
  });
});

describe("the API server", () => {
  it("refuses a token for another audience than its own", async () => {
    const { server, pod } = await setUp();
    const request = { namespace: "default", serviceAccount: "world", pod, audiences: ["istio-ca"] };
    const client = server.client(server.identities.issueToken(request));
    await expect(client.list(KINDS.pods, {})).rejects.toMatchObject({ status: 401, reason: "Unauthorized" });
  });

  it("allows an account what its roles say and nothing else, and records the rest", async () => {
    const { server } = await setUp();
    const { cluster, identities } = server;
    const rbac = "rbac.authorization.k8s.io/v1";
    cluster.create(KINDS.clusterRoles, {
      apiVersion: rbac,
      kind: "ClusterRole",
      metadata: { name: "reader" },
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"] }],
    });
    cluster.create(KINDS.clusterRoleBindings, {
      apiVersion: rbac,
      kind: "ClusterRoleBinding",
      metadata: { name: "reader" },
      roleRef: { kind: "ClusterRole", name: "reader" },
      subjects: [{ kind: "ServiceAccount", name: "world", namespace: "default" }],
    });
    cluster.create(KINDS.roles, {
      apiVersion: rbac,
      kind: "Role",
      metadata: { name: "one-secret", namespace: "kube-system" },
      rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["ca"], verbs: ["get"] }],
    });
    cluster.create(KINDS.roleBindings, {
      apiVersion: rbac,
      kind: "RoleBinding",
      metadata: { name: "one-secret", namespace: "kube-system" },
      roleRef: { kind: "Role", name: "one-secret" },
      subjects: [{ kind: "ServiceAccount", name: "world", namespace: "default" }],
    });
    const client = server.client(identities.issueToken({ namespace: "default", serviceAccount: "world" }));
    expect((await client.list(KINDS.pods, {})).items).toHaveLength(1);
    expect(await client.get(KINDS.secrets, { namespace: "kube-system", name: "ca" })).toBeUndefined();
    const denied = await client.get(KINDS.secrets, { namespace: "kube-system", name: "other" }).catch((error) => error);
    expect(denied).toBeInstanceOf(KubernetesApiError);
    expect(denied.message).toContain(
      'secrets "other" is forbidden: User "system:serviceaccount:default:world" cannot get resource "secrets" in API group "" in the namespace "kube-system"',
    );
    expect(server.denied.map(({ verb, resource, name }) => `${verb} ${resource} ${name}`)).toEqual([
      "get secrets other",
    ]);
    const access = await client.review(KINDS.selfSubjectAccessReviews, {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: { resourceAttributes: { verb: "list", resource: "pods" } },
    });
    expect(access["status"]).toEqual({ allowed: true });
  });

  it("allows an apply that creates only with both rights, which can be limited to a name", async () => {
    const { server } = await setUp();
    const { cluster, identities } = server;
    const configMap = (name: string): KubernetesObject => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
    });
    const grant = (verbs: readonly string[]): void => {
      const rules = [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["ours"], verbs }];
      cluster.apply(KINDS.clusterRoles, {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "writer" },
        rules,
      });
    };
    cluster.create(KINDS.clusterRoleBindings, {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "writer" },
      roleRef: { kind: "ClusterRole", name: "writer" },
      subjects: [{ kind: "ServiceAccount", name: "world", namespace: "default" }],
    });
    const client = server.client(identities.issueToken({ namespace: "default", serviceAccount: "world" }));
    grant(["patch"]);
    await expect(client.apply(KINDS.configMaps, configMap("ours"))).rejects.toThrow(
      /cannot create resource "configmaps"/,
    );
    grant(["patch", "create"]);
    await client.apply(KINDS.configMaps, configMap("ours"));
    await expect(client.create(KINDS.configMaps, configMap("ours"))).rejects.toMatchObject({ status: 403 });
    grant(["patch"]);
    await client.apply(KINDS.configMaps, { ...configMap("ours"), data: { a: "1" } });
    await expect(client.apply(KINDS.configMaps, configMap("other"))).rejects.toMatchObject({ status: 403 });
  });
});
