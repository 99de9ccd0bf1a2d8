import { Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import type { ControlStore } from "../../ca-agent/control/control-store.ts";
import {
  formatRootConfigMap,
  ROOT_CONFIG_MAP,
  readPublishedRoots,
} from "../../ca-agent/trust-distribution/root-config-map.ts";
import { type Identity, startIdentity } from "../../control-plane/identity/start-identity.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../../mesh/resources/resource-set-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { NAMESPACE, type Right, startRightsCluster } from "./rights-cluster-fixture.ts";

const SECRET = { apiVersion: "v1", kind: "Secret" };
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** The shipped code, as the control plane's account. */
function start(server: TestApiServer): Promise<Identity> {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const api = server.client(server.identities.issueToken({ namespace: NAMESPACE, serviceAccount: "istiod" }));
  const deps = { settings: TEST_SETTINGS, clock: systemClock, random: () => 0.5, log: new RecordingLogger() };
  return startIdentity(
    { kind: "kubernetes", api, instance: "istiod-1" },
    { ...deps, registry: new Registry(), limitLog: unlimitedLog, onWaiting: () => undefined, signal: stop.signal },
  );
}

function helloToken({ cluster, identities }: TestApiServer): string {
  const metadata = { name: "hello-1", namespace: NAMESPACE };
  const pod = cluster.create(KINDS.pods, { apiVersion: "v1", kind: "Pod", metadata });
  return identities.issueToken({ namespace: NAMESPACE, serviceAccount: "hello", pod, audiences: ["istio-ca"] });
}

async function revoke(store: ControlStore, serialNumber: string): Promise<void> {
  const revocation = { what: { kind: "serial", serialNumber }, revokedAt: "2026-01-01T00:00:00Z" } as const;
  await store.update((state) => ({ ...state, revocations: [...state.revocations, revocation] }));
}

function publishedIn({ cluster }: TestApiServer, namespace: string): string {
  const { items } = cluster.list(KINDS.configMaps, { namespace });
  return readPublishedRoots(items.find(({ metadata }) => metadata.name === ROOT_CONFIG_MAP));
}

describe("the rights of the control plane's account", () => {
  it("are enough for everything that identity needs", async () => {
    const server = await startRightsCluster(cleanup);
    const { authority, authenticator, controlStore } = await start(server);
    for (const serialNumber of ["A1", "A2"]) await revoke(controlStore, serialNumber);
    const roots = authority.roots().join("");
    await until(() => publishedIn(server, "default") === roots);
    expect((await authenticator.authenticate(helloToken(server), "10.0.0.7")).kind).toBe("authenticated");
    server.cluster.apply(KINDS.configMaps, formatRootConfigMap("default", ["forged"], undefined), { force: true });
    server.cluster.delete(KINDS.secrets, { namespace: NAMESPACE, name: "istio-ca-secret" });
    await until(() => publishedIn(server, "default") === roots);
    await until(() => server.cluster.list(KINDS.secrets, {}).items.length === 1);
    expect(server.denied).toEqual([]);
  });

  it("allow no Secret but the authority's to be created", async () => {
    const server = await startRightsCluster(cleanup);
    const api = server.client(server.identities.issueToken({ namespace: NAMESPACE, serviceAccount: "istiod" }));
    const secret = (name: string, namespace = NAMESPACE) => ({ ...SECRET, metadata: { name, namespace } });
    const token = { ...secret("stolen"), type: "kubernetes.io/service-account-token" };
    for (const object of [secret("other"), secret("cacerts"), secret("istio-ca-secret", "default"), token]) {
      await expect(api.create(KINDS.secrets, object)).rejects.toThrow("forbidden");
      await expect(api.apply(KINDS.secrets, object)).rejects.toThrow("forbidden");
    }
  });

  it.each<Right>([
    { resource: "secrets", verb: "get" },
    { resource: "secrets", verb: "list" },
    { resource: "secrets", verb: "watch" },
    { resource: "secrets", verb: "create" },
    { resource: "secrets", verb: "patch" },
    { resource: "configmaps", verb: "get" },
    { resource: "configmaps", verb: "list" },
    { resource: "configmaps", verb: "watch" },
    { resource: "configmaps", verb: "create" },
    { resource: "configmaps", verb: "patch" },
    { resource: "configmaps", verb: "update" },
    { resource: "namespaces", verb: "list" },
    { resource: "namespaces", verb: "watch" },
    { resource: "tokenreviews", verb: "create" },
  ])("contain nothing that could be left out: $verb of $resource", async (right) => {
    const server = await startRightsCluster(cleanup, right);
    void start(server)
      .then(async ({ authenticator, controlStore }) => {
        await authenticator.authenticate(helloToken(server), "10.0.0.7");
        // The second change finds the ConfigMap.
        for (const serialNumber of ["A1", "A2"]) await revoke(controlStore, serialNumber);
      })
      .catch(() => undefined);
    await until(() => server.denied.some(({ resource, verb }) => resource === right.resource && verb === right.verb));
    expect(server.denied.every(({ user }) => user === `system:serviceaccount:${NAMESPACE}:istiod`)).toBe(true);
  });
});
