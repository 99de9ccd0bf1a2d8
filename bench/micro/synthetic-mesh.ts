import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";

export interface MeshSize {
  readonly services: number;
  readonly podsPerService: number;
  readonly namespaces: number;
}

/** A pod as an API server describes it: with everything that the mesh does not read, too. */
export function createPod(service: number, replica: number, size: MeshSize, isReady = true): KubernetesObject {
  const number = service * size.podsPerService + replica;
  const ip = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  const time = "2026-01-01T00:00:00Z";
  const ready = isReady ? "True" : "False";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${nameOf(service)}-7d9c8b6f5-${replica}`,
      namespace: namespaceOf(service, size),
      uid: `uid-${number}`,
      resourceVersion: String(number),
      creationTimestamp: time,
      labels: {
        app: nameOf(service),
        version: "v1",
        "pod-template-hash": "7d9c8b6f5",
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": nameOf(service),
        "service.istio.io/canonical-revision": "v1",
      },
      annotations: { "sidecar.istio.io/status": "{}", "prometheus.io/scrape": "true" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: `${nameOf(service)}-7d9c8b6f5`, uid: "r" }],
      managedFields: [{ manager: "kubelet", operation: "Update", time, fieldsV1: { "f:status": {} } }],
    },
    spec: {
      serviceAccountName: nameOf(service),
      nodeName: `node-${number % 100}`,
      containers: [
        { name: "app", image: "registry.example/app:1", ports: [{ name: "http", containerPort: 8080 }], env: [] },
        { name: "istio-proxy", image: "registry.example/entente:1", ports: [{ containerPort: 15090 }] },
      ],
      volumes: [{ name: "token", projected: { sources: [] } }],
    },
    status: {
      phase: "Running",
      podIP: ip,
      podIPs: [{ ip }],
      startTime: time,
      conditions: [
        { type: "Initialized", status: "True", lastTransitionTime: time },
        { type: "Ready", status: ready, lastTransitionTime: time },
      ],
      containerStatuses: [{ name: "app", ready: isReady, restartCount: 0, image: "registry.example/app:1" }],
    },
  };
}

export function createService(service: number, size: MeshSize): KubernetesObject {
  const clusterIP = `10.${128 + ((service >> 16) & 63)}.${(service >> 8) & 255}.${service & 255}`;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: nameOf(service), namespace: namespaceOf(service, size), uid: `s-${service}` },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      selector: { app: nameOf(service) },
      ports: [{ name: "http", port: 80, targetPort: "http", protocol: "TCP" }],
    },
  };
}

/** The slice of a Service, in which some replicas are not ready. */
export function createSlice(
  service: number,
  size: MeshSize,
  unready: ReadonlySet<number> = new Set(),
): KubernetesObject {
  const namespace = namespaceOf(service, size);
  const endpoints = Array.from({ length: size.podsPerService }, (_, replica) => {
    const { metadata, status } = createPod(service, replica, size);
    const { podIP } = Object(status);
    return {
      addresses: [podIP],
      conditions: { ready: !unready.has(replica), serving: true, terminating: false },
      targetRef: { kind: "Pod", name: metadata.name, namespace, uid: metadata.uid },
    };
  });
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${nameOf(service)}-abcde`,
      namespace,
      labels: {
        "kubernetes.io/service-name": nameOf(service),
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      },
    },
    addressType: "IPv4",
    endpoints,
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  };
}

function nameOf(service: number): string {
  return `service-${service}`;
}

function namespaceOf(service: number, { namespaces }: MeshSize): string {
  return `ns-${service % namespaces}`;
}
