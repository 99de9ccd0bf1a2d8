/** For tests: the sidecar of a pod, as far as it talks to the control plane. */
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { startWorkloadTls, type WorkloadTls, type WorkloadTlsOptions } from "../../proxy/tls/workload-tls.ts";
import type { ClusterPod } from "./cluster-identity-fixture.ts";

type PodSidecarOptions = Pick<WorkloadTlsOptions, "address"> & Partial<WorkloadTlsOptions>;

/** @param pod its files are mounted */
export async function startPodSidecar(
  cleanup: Cleanup,
  { files, identity, object }: ClusterPod,
  options: PodSidecarOptions,
): Promise<WorkloadTls> {
  const { name, namespace = "" } = object.metadata;
  const sidecar = await startWorkloadTls({
    ...{ ...files, identity, workload: { namespace, name }, version: "test" },
    ...{ clock: systemClock, random: Math.random, log: new RecordingLogger() },
    ...options,
  });
  cleanup.add(() => sidecar.close());
  return sidecar;
}
