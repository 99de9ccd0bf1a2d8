/** The mesh of the scale bench: objects of the Kubernetes API, and which sidecar uses what. Pure. */
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { randomFrom } from "./random-from.ts";

export interface MeshSize {
  readonly services: number;
  readonly pods: number;
  /** The first pods of the mesh have a connected sidecar. */
  readonly sidecars: number;
  /** How many services each sidecar uses. */
  readonly used: number;
}

/** A pod, by its number and how often it was replaced. */
export interface PodRef {
  readonly number: number;
  readonly generation: number;
}

/** A pod as the API server has it. */
export interface StoredPod extends PodRef {
  readonly uid: string;
}

export interface SidecarRef {
  readonly namespace: string;
  readonly pod: string;
  readonly serviceAccount: string;
  /** The numbers of the services that it uses. */
  readonly services: readonly number[];
}

export const SERVICE_PORT = 80;
const APP_PORT = 8080;
const SERVICES_PER_NAMESPACE = 100;
/** The control plane limits the connections of one account from one address, and here all have the same address. */
const ACCOUNTS_PER_NAMESPACE = 25;
/** Services that many sidecars use, as a cluster's identity provider or cache is. */
const POPULAR_SERVICES = 20;
const POPULAR_SHARE = 0.25;

/** Deterministic: the same size gives the same mesh. */
export class Topology {
  readonly size: MeshSize;

  constructor(size: MeshSize) {
    this.size = size;
  }

  get namespaces(): readonly string[] {
    const count = Math.ceil(this.size.services / SERVICES_PER_NAMESPACE);
    return Array.from({ length: count }, (_, number) => `team-${number}`);
  }

  serviceOf({ number }: PodRef): number {
    return number % this.size.services;
  }

  /** The numbers of the pods of a service. */
  podsOf(service: number): readonly number[] {
    const pods: number[] = [];
    for (let pod = service; pod < this.size.pods; pod += this.size.services) pods.push(pod);
    return pods;
  }

  serviceIp(service: number): string {
    return `10.${96 + (service >> 16)}.${(service >> 8) & 255}.${service & 255}`;
  }

  service(service: number): KubernetesObject {
    const [name, namespace] = [serviceName(service), this.#namespaceOf(service)];
    return {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels: { app: name }, creationTimestamp: CREATED },
      spec: {
        clusterIP: this.serviceIp(service),
        clusterIPs: [this.serviceIp(service)],
        selector: { app: name },
        ports: [{ name: "http", port: SERVICE_PORT, targetPort: APP_PORT, protocol: "TCP" }],
      },
    };
  }

  serviceAccounts(namespace: string): readonly KubernetesObject[] {
    return Array.from({ length: ACCOUNTS_PER_NAMESPACE }, (_, number) => ({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: `account-${number}`, namespace },
    }));
  }

  /** About 2.5 KB, as a small pod is. */
  pod(ref: PodRef): KubernetesObject {
    const service = this.serviceOf(ref);
    const app = serviceName(service);
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: podName(service, ref),
        namespace: this.#namespaceOf(service),
        labels: {
          app,
          version: versionOf(ref),
          "pod-template-hash": "5d4f8c7b9",
          "security.istio.io/tlsMode": "istio",
          "service.istio.io/canonical-name": app,
        },
        annotations: { "sidecar.istio.io/status": SIDECAR_STATUS },
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "ReplicaSet", name: `${app}-5d4f8c7b9`, uid: OWNER_UID, controller: true },
        ],
        creationTimestamp: CREATED,
      },
      spec: {
        serviceAccountName: accountName(service),
        nodeName: `node-${ref.number % 200}`,
        containers: [container("app", APP_PORT), container("istio-proxy", 15090)],
        volumes: VOLUMES,
      },
      status: {
        phase: "Running",
        podIP: podIp(ref),
        podIPs: [{ ip: podIp(ref) }],
        conditions: CONDITIONS,
        containerStatuses: ["app", "istio-proxy"].map(containerStatus),
      },
    };
  }

  /** The only slice of a service, with the pods that it has now. */
  slice(service: number, pods: readonly StoredPod[]): KubernetesObject {
    const namespace = this.#namespaceOf(service);
    return {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: `${serviceName(service)}-x7k2p`,
        namespace,
        labels: {
          "kubernetes.io/service-name": serviceName(service),
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        creationTimestamp: CREATED,
      },
      addressType: "IPv4",
      endpoints: pods.map((ref) => ({
        addresses: [podIp(ref)],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${ref.number % 200}`,
        targetRef: { kind: "Pod", namespace, name: podName(service, ref), uid: ref.uid },
      })),
      ports: [{ name: "http", port: APP_PORT, protocol: "TCP" }],
    };
  }

  sidecar(number: number): SidecarRef {
    const ref = { number, generation: 0 };
    const service = this.serviceOf(ref);
    const random = randomFrom(number);
    const services = new Set<number>();
    const popular = Math.min(POPULAR_SERVICES, this.size.services);
    while (services.size < Math.min(this.size.used, this.size.services)) {
      const isPopular = services.size < this.size.used * POPULAR_SHARE;
      services.add(Math.floor(random() * (isPopular ? popular : this.size.services)));
    }
    return {
      namespace: this.#namespaceOf(service),
      pod: podName(service, ref),
      serviceAccount: accountName(service),
      services: [...services],
    };
  }

  /**
   * The pod that a change replaces: one without a sidecar. Each twentieth change is of a service that many sidecars use.
   */
  replacedPod(change: number): number {
    const random = randomFrom(change + 1_000_000);
    const { sidecars, pods, services } = this.size;
    const replaceable = Array.from({ length: 50 }, () => Math.floor(random() * pods)).filter((pod) => pod >= sidecars);
    const popular = replaceable.find((pod) => pod % services < POPULAR_SERVICES);
    const wanted = this.podsOf(change % POPULAR_SERVICES).find((pod) => pod >= sidecars) ?? popular;
    const chosen = change % 20 === 0 ? wanted : undefined;
    return chosen ?? replaceable[0] ?? pods - 1;
  }

  #namespaceOf(service: number): string {
    return `team-${Math.floor(service / SERVICES_PER_NAMESPACE)}`;
  }
}

/** What tells the generations of a pod apart in a destination: the label `version`. */
export function versionOf({ number, generation }: PodRef): string {
  return `p${number}-g${generation}`;
}

function serviceName(service: number): string {
  return `service-${service}`;
}

function podName(service: number, { number, generation }: PodRef): string {
  return `${serviceName(service)}-5d4f8c7b9-${number.toString(36)}${generation.toString(36).padStart(3, "0")}`;
}

function accountName(service: number): string {
  return `account-${service % ACCOUNTS_PER_NAMESPACE}`;
}

/** Each generation has another address; 10.128.0.0/9. */
function podIp({ number, generation }: PodRef): string {
  const index = number + generation * 100_000;
  return `10.${128 + ((index >> 16) & 127)}.${(index >> 8) & 255}.${index & 255}`;
}

const OWNER_UID = "00000000-0000-4000-8000-000000000000";
const CREATED = "2026-11-01T08:00:00Z";
const SIDECAR_STATUS = '{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["istio-token"]}';
const CONDITIONS = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
  type,
  status: "True",
  lastTransitionTime: CREATED,
}));
const VOLUMES = ["config", "istio-token", "istiod-ca-cert"].map((name) => ({ name, emptyDir: {} }));

function container(name: string, containerPort: number) {
  return {
    name,
    image: `registry.example/${name}:1.2.3`,
    ports: [{ containerPort, protocol: "TCP" }],
    env: ["POD_NAME", "POD_NAMESPACE", "INSTANCE_IP", "SERVICE_ACCOUNT"].map((variable) => ({
      name: variable,
      valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
    })),
    resources: { requests: { cpu: "100m", memory: "128Mi" } },
    volumeMounts: VOLUMES.map((volume) => ({ name: volume.name, mountPath: `/var/run/${volume.name}` })),
  };
}

function containerStatus(name: string) {
  const state = { running: { startedAt: CREATED } };
  return { name, ready: true, restartCount: 0, started: true, image: `registry.example/${name}:1.2.3`, state };
}
