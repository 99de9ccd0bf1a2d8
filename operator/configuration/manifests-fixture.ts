/** For tests: workloads as manifests. */

type Json = Readonly<Record<string, unknown>>;

/** A workload of namespace ns1 whose pods have the label `app: NAME`. */
export function workload(kind: string, name: string, metadata: Json = {}, spec: Json = {}): object {
  const labels = { app: name, ...(metadata["labels"] as Json | undefined) };
  const template = {
    metadata: { ...metadata, labels },
    spec: { containers: [{ name: "app", image: "app", ports: [{ containerPort: 8080 }] }], ...spec },
  };
  const own = { name, namespace: "ns1" };
  if (kind === "Pod") return { apiVersion: "v1", kind, ...template, metadata: { ...template.metadata, ...own } };
  if (kind === "CronJob") {
    return { apiVersion: "batch/v1", kind, metadata: own, spec: { jobTemplate: { spec: { template } } } };
  }
  return { apiVersion: kind === "Job" ? "batch/v1" : "apps/v1", kind, metadata: own, spec: { template } };
}
