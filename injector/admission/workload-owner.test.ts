import { describe, expect, it } from "vitest";
import { createPod, env, inject } from "./pod-fixture.ts";

describe("the owner", () => {
  it.each([
    {
      kind: "StatefulSet",
      apiVersion: "apps/v1",
      name: "db",
      workload: "db",
      path: "apps/v1/namespaces/ns1/statefulsets/db",
    },
    {
      kind: "Job",
      apiVersion: "batch/v1",
      name: "backup-28312345",
      workload: "backup",
      path: "batch/v1/namespaces/ns1/cronjobs/backup",
    },
    {
      kind: "Job",
      apiVersion: "batch/v1",
      name: "backup",
      workload: "backup",
      path: "batch/v1/namespaces/ns1/jobs/backup",
    },
    {
      kind: "ReplicaSet",
      apiVersion: "apps/v1",
      name: "bare",
      workload: "bare",
      path: "apps/v1/namespaces/ns1/replicasets/bare",
    },
  ])("of a pod of $kind $name is $workload", ({ workload, path, ...reference }) => {
    const variables = env(inject(createPod({ ownerReferences: [{ ...reference, controller: true }] })).pod);
    expect(variables["ISTIO_META_WORKLOAD_NAME"]).toBe(workload);
    expect(variables["ISTIO_META_OWNER"]).toBe(`kubernetes://apis/${path}`);
  });

  it("of a standalone pod is the pod itself", () => {
    const { pod } = inject(createPod({ ownerReferences: [], generateName: "shell-" }));
    expect(env(pod)["ISTIO_META_OWNER"]).toBe("kubernetes://apis/v1/namespaces/ns1/pods/shell");
  });
});
