import { InProcessApi } from "../../kubernetes/test-server/in-process-api.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { runConfigSourceContract } from "../config-source-contract-fixture.ts";
import { startKubernetesSource } from "./kubernetes-source.ts";
import { MeshCluster } from "./mesh-cluster-fixture.ts";

runConfigSourceContract({
  name: "a simulated cluster",
  manyObjects: 5000,
  create: async (initial) => {
    const cluster = new MeshCluster();
    const stop = new AbortController();
    cluster.put(...initial);
    const source = await startKubernetesSource({
      api: new InProcessApi(cluster),
      clock: systemClock,
      random: Math.random,
      log: new RecordingLogger(),
      signal: stop.signal,
    });
    return {
      source,
      apply: async (...objects) => cluster.put(...objects),
      remove: async (object) => cluster.remove(object),
      dispose: async () => stop.abort(),
    };
  },
});
