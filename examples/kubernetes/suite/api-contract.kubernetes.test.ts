import { afterAll, beforeAll } from "vitest";
import { runKubernetesApiContract } from "../../../kubernetes/kubernetes-api-contract-fixture.ts";
import { createKubernetesClient, type KubernetesClient } from "../../../kubernetes/kubernetes-client.ts";
import { loadClusterAccess } from "../../../kubernetes/load-cluster-access.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { createNamespace, type TestNamespace } from "./kubectl-fixture.ts";

let api: KubernetesClient;
let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await createNamespace("contract");
  const access = await loadClusterAccess({ environment: process.env });
  api = createKubernetesClient({ access, clock: systemClock, random: Math.random, log: new RecordingLogger() });
});

afterAll(async () => {
  await api.close();
  await namespace.remove();
});

runKubernetesApiContract(async () => ({ api, namespace: namespace.name }));
