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
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
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

/** A mode for all workloads of a namespace. */
export function peerAuthentication(namespace: string, mode: "STRICT" | "PERMISSIVE" | "DISABLE"): KubernetesObject {
  return {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name: "default", namespace },
    spec: { mtls: { mode } },
  };
}
