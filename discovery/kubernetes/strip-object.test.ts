import { describe, expect, it } from "vitest";
import { stripObject } from "./strip-object.ts";

const metadata = { name: "a", namespace: "ns1" };

describe("stripObject", () => {
  it("keeps of a pod what decides about its traffic, and nothing that only changes", () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...metadata,
        uid: "1",
        resourceVersion: "7",
        generation: 2,
        labels: { app: "a" },
        annotations: {
          "sidecar.istio.io/inject": "true",
          "sidecar.istio.io/status": "{}",
          "kubectl.kubernetes.io/last-applied-configuration": "…",
        },
        ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "a-1", uid: "2" }],
        managedFields: [{}],
      },
      spec: {
        serviceAccountName: "a",
        nodeName: "node1",
        volumes: [{ name: "token" }],
        containers: [
          { name: "app", image: "app:1", env: [{ name: "SECRET", value: "x" }], ports: [{ containerPort: 80 }] },
        ],
        initContainers: [
          { name: "setup", ports: [{ containerPort: 1 }] },
          { name: "proxy", restartPolicy: "Always", ports: [{ containerPort: 2, hostPort: 3 }] },
        ],
      },
      status: {
        phase: "Running",
        podIP: "10.0.0.1",
        startTime: "2030-01-01T00:00:00Z",
        conditions: [
          { type: "Initialized", status: "True" },
          { type: "Ready", status: "False", lastProbeTime: "2030-01-01T00:00:00Z" },
        ],
        containerStatuses: [{ restartCount: 3 }],
      },
    };
    expect(stripObject(pod)).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...metadata,
        uid: "1",
        labels: { app: "a" },
        annotations: { "sidecar.istio.io/inject": "true" },
        ownerReferences: [{ kind: "ReplicaSet", name: "a-1" }],
      },
      spec: {
        serviceAccountName: "a",
        containers: [{ name: "app", image: "app:1", ports: [{ containerPort: 80 }] }],
        initContainers: [{ name: "proxy", restartPolicy: "Always", ports: [{ containerPort: 2 }] }],
      },
      status: { phase: "Running", podIP: "10.0.0.1", conditions: [{ type: "Ready", status: "False" }] },
    });
  });

  it("keeps the whole specification of the mesh's own kinds, and not their status", () => {
    const spec = { mtls: { mode: "STRICT" }, unknown: [1] };
    const policy = { apiVersion: "security.istio.io/v1", kind: "PeerAuthentication", metadata, spec, status: {} };
    expect(stripObject(policy)).toEqual({ apiVersion: policy.apiVersion, kind: policy.kind, metadata, spec });
  });

  it.each(["Namespace", "Pod", "Service", "EndpointSlice", "Gateway"])(
    "adds nothing to a %s that has only a name",
    (kind) => {
      const object = { apiVersion: "v1", kind, metadata };
      expect(stripObject(object)).toStrictEqual(object);
    },
  );

  it.each([
    { kind: "Pod", fields: { spec: { containers: 1, initContainers: "x" }, status: { conditions: { a: 1 } } } },
    { kind: "Pod", fields: { spec: { containers: [1, null], initContainers: [2] }, status: { conditions: [3] } } },
    { kind: "EndpointSlice", fields: { endpoints: [{ conditions: "ready", targetRef: 1 }], ports: 5 } },
    { kind: "Service", fields: { spec: [1] } },
  ])("leaves values of another type to the schema: $kind $fields", ({ kind, fields }) => {
    const object = { apiVersion: "v1", kind, metadata, ...fields };
    expect(stripObject(object)).toEqual(object);
  });
});
