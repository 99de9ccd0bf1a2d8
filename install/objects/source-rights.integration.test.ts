import { afterEach, describe, expect, it } from "vitest";
import { startSource } from "../../control-plane/start-source.ts";
import type { ConfigSource } from "../../discovery/config-source.ts";
import { addDefinitions, putObjects } from "../../discovery/kubernetes/mesh-cluster-fixture.ts";
import { policyOf } from "../../discovery/kubernetes/source-fixture.ts";
import type { TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { NAMESPACE, type Right, startRightsCluster } from "./rights-cluster-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function startMeshCluster(without?: Right): Promise<TestApiServer> {
  const server = await startRightsCluster(cleanup, without);
  addDefinitions(server.cluster);
  putObjects(server.cluster, policyOf("STRIKT", NAMESPACE));
  return server;
}

/** The shipped code, as the control plane's account. */
function start(server: TestApiServer): Promise<ConfigSource> {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const api = server.client(server.identities.issueToken({ namespace: NAMESPACE, serviceAccount: "istiod" }));
  const deps = { clock: systemClock, random: () => 0.1, log: new RecordingLogger(), onStatus: () => undefined };
  return startSource({ kind: "kubernetes", api, instance: "istiod-1" }, { ...deps, signal: stop.signal });
}

describe("the rights of the control plane's account", () => {
  it("are enough to read the configuration, and to write on an invalid object what is wrong with it", async () => {
    const server = await startMeshCluster();
    const source = await start(server);
    expect(source.status().kind).not.toBe("starting");
    await until(() => server.cluster.history.list("events.k8s.io/events").length === 1);
    const [policy] = server.cluster.history.list("security.istio.io/peerauthentications");
    expect(policy?.["status"]).toMatchObject({ conditions: [{ reason: "EntenteInvalidConfiguration" }] });
    expect(server.denied).toEqual([]);
  });

  it.each<Right>([
    ...["namespaces", "pods", "services", "endpointslices", "peerauthentications"].flatMap((resource) => [
      { resource, verb: "list" },
      { resource, verb: "watch" },
    ]),
    { resource: "peerauthentications/status", verb: "patch" },
    { resource: "events", verb: "create" },
  ])("contain nothing that could be left out: $verb of $resource", async (right) => {
    const server = await startMeshCluster(right);
    start(server).catch(() => undefined);
    const [resource = ""] = right.resource.split("/");
    await until(() => server.denied.some((denied) => denied.resource === resource && denied.verb === right.verb));
    expect(server.denied.every(({ user }) => user === `system:serviceaccount:${NAMESPACE}:istiod`)).toBe(true);
  });
});
