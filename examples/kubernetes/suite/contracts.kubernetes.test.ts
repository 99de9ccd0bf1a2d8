import { afterAll, beforeAll, describe } from "vitest";
import { runConfigSourceContract } from "../../../discovery/config-source-contract-fixture.ts";
import { CONTRACT_NAMESPACE, type Manifest } from "../../../discovery/contract-manifests-fixture.ts";
import { startKubernetesSource } from "../../../discovery/kubernetes/kubernetes-source.ts";
import { runKubernetesApiContract } from "../../../kubernetes/kubernetes-api-contract-fixture.ts";
import { createKubernetesClient, type KubernetesClient } from "../../../kubernetes/kubernetes-client.ts";
import { loadClusterAccess } from "../../../kubernetes/load-cluster-access.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { apply, createNamespace, kubectl, remove, TEST_LABEL, type TestNamespace, testRun } from "./kubectl-fixture.ts";

let client: KubernetesClient;
let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await createNamespace("contract");
  const access = await loadClusterAccess({ environment: process.env });
  client = createKubernetesClient({ access, clock: systemClock, random: Math.random, log: new RecordingLogger() });
});

afterAll(async () => {
  await client.close();
  await namespace.remove();
});

describe("the client of the Kubernetes API", () => {
  runKubernetesApiContract(async () => ({ api: client, namespace: namespace.name }));
});

runConfigSourceContract({
  name: "this cluster",
  manyObjects: 300,
  create: async (initial) => {
    const stop = new AbortController();
    await apply(initial.map(labelled));
    const source = await startKubernetesSource({
      api: client,
      clock: systemClock,
      random: Math.random,
      log: new RecordingLogger(),
      signal: stop.signal,
    });
    return {
      source,
      apply: async (...objects) => void (await apply(objects.map(labelled))),
      remove: async (object) => remove([object]),
      dispose: async () => {
        stop.abort();
        await kubectl(["delete", "namespace", CONTRACT_NAMESPACE, "--ignore-not-found", "--timeout=90s"]);
      },
    };
  },
});

/** So that the namespace is removed even if a test is interrupted. */
function labelled(object: Manifest): Manifest {
  if (object.kind !== "Namespace") return object;
  return {
    ...object,
    metadata: { ...object.metadata, labels: { ...object.metadata.labels, [TEST_LABEL]: testRun() } },
  };
}
