import { describe, expect, it } from "vitest";
import { hasProxy } from "../workloads/pod-proxy.ts";
import { workload } from "./manifests-fixture.ts";
import { configurationFromFiles } from "./read-files.ts";

const LABELLED = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "ns1", labels: { "istio-injection": "enabled" } },
};

function read(...documents: readonly object[]) {
  const text = documents.map((document) => JSON.stringify(document)).join("\n---\n");
  return configurationFromFiles([{ file: "a.yaml", text }]);
}

describe("the configuration of manifest files", () => {
  it.each(["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"])(
    "has the pod that a %s would create, with its sidecar and an address of its own",
    (kind) => {
      const { set, injections } = read(workload(kind, "web"), workload("Deployment", "other"), LABELLED);
      const pod = set.pods.get("ns1/web");
      expect(pod).toMatchObject({ metadata: { labels: { app: "web" } }, origin: { file: "a.yaml" } });
      expect(pod !== undefined && hasProxy(pod)).toBe(true);
      expect(injections.get("ns1/web")?.kind).toBe("injected");
      expect(set.index.podsByNamespace.get("ns1")).toHaveLength(2);
      expect(new Set([...set.pods.values()].map(({ status }) => status.podIP)).size).toBe(2);
    },
  );

  it.each([
    { name: "the namespace does not ask for it", documents: [workload("Deployment", "web")], reason: "not_selected" },
    {
      name: "the pod opts out",
      documents: [LABELLED, workload("Deployment", "web", { labels: { "sidecar.istio.io/inject": "false" } })],
      reason: "pod_opted_out",
    },
  ])("gives a pod no sidecar if $name", ({ documents, reason }) => {
    const { set, injections } = read(...documents);
    expect(injections.get("ns1/web")).toMatchObject({ kind: "skipped", reason });
    const pod = set.pods.get("ns1/web");
    expect(pod !== undefined && hasProxy(pod)).toBe(false);
  });

  it("keeps two workloads of one name apart", () => {
    const { set } = read(workload("Deployment", "web"), workload("StatefulSet", "web"));
    expect([...set.pods.keys()]).toEqual(["ns1/web", "ns1/web-statefulset"]);
  });

  it("reports a pod template that is not valid, by its file and line", () => {
    const broken = workload("Deployment", "web", {}, { containers: "none" });
    const { problems, set } = read(LABELLED, broken);
    expect(set.pods.size).toBe(0);
    expect(problems).toContainEqual(expect.objectContaining({ severity: "error", file: "a.yaml", line: 3 }));
  });
});
