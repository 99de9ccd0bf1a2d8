/** Runs on a real cluster, the one that KUBECONFIG names, with the mesh's CRDs: `npm run test:kubernetes`. */
import { createKubernetesClient } from "../../kubernetes/kubernetes-client.ts";
import { loadClusterAccess } from "../../kubernetes/load-cluster-access.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { runConfigSourceContract } from "../config-source-contract-fixture.ts";
import { startClusterHarness } from "./cluster-harness-fixture.ts";

const access = await loadClusterAccess({ environment: process.env });
const api = createKubernetesClient({ access, clock: systemClock, random: Math.random, log: new RecordingLogger() }, {});

runConfigSourceContract({
  name: "the cluster of KUBECONFIG",
  manyObjects: 300,
  create: (initial) => startClusterHarness(api, initial),
});
