/** For the suite: an application of the demo, as a Deployment with its Service. */
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";

export interface EchoOptions {
  readonly text: string;
  /** The next application that it asks, `host:port`. */
  readonly next?: string;
  readonly replicas?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The image of the demo's manifests. */
export const ECHO_IMAGE = process.env["ENTENTE_ECHO_IMAGE"] ?? "wardviaene/http-echo";

export function echoApplication(namespace: string, name: string, options: EchoOptions): readonly KubernetesObject[] {
  const { text, next, replicas = 1, annotations = {} } = options;
  const labels = { app: name };
  const env = [{ name: "TEXT", value: text }, ...(next === undefined ? [] : [{ name: "NEXT", value: next }])];
  const container = {
    name: "echo",
    image: ECHO_IMAGE,
    imagePullPolicy: "IfNotPresent",
    env,
    ports: [{ name: "http", containerPort: 8080 }],
    // The whole chain behind the application does not make it unready.
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels, annotations }, spec: { containers: [container] } },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels },
      spec: { selector: labels, ports: [{ name: "http", port: 8080, targetPort: 8080 }] },
    },
  ];
}

/** At least one pod of the application stays while others are evicted. */
export function disruptionBudget(namespace: string, app: string): KubernetesObject {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: app, namespace },
    spec: { minAvailable: 1, selector: { matchLabels: { app } } },
  };
}

/** A mode for all workloads of a namespace. */
export function peerAuthentication(namespace: string, mode: "STRICT" | "PERMISSIVE" | "DISABLE"): KubernetesObject {
  return {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name: "default", namespace },
    spec: { mtls: { mode } },
  };
}

/** The default ingress gateway, which leads requests for `NAMESPACE.example.com` to a Service of the namespace. */
export function gatewayTo(namespace: string, service: string): readonly KubernetesObject[] {
  const apiVersion = "networking.istio.io/v1";
  const hosts = [`${namespace}.example.com`];
  const destination = { host: `${service}.${namespace}.svc.cluster.local`, port: { number: 8080 } };
  return [
    {
      apiVersion,
      kind: "Gateway",
      metadata: { name: "gateway", namespace },
      spec: {
        selector: { istio: "ingressgateway" },
        servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts }],
      },
    },
    {
      apiVersion,
      kind: "VirtualService",
      metadata: { name: service, namespace },
      spec: { hosts, gateways: ["gateway"], http: [{ route: [{ destination }] }] },
    },
  ];
}
