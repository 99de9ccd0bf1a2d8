/** For tests: a mesh whose pods are replaced while others call them. */
import { fileURLToPath } from "node:url";
import type { LocalPod } from "../pods/local-pod.ts";
import type { LocalCluster, LocalClusterOptions } from "../start-local-cluster.ts";
import { createTestFolder, findPod } from "../test-cluster-fixture.ts";

/** The program of the image `test/application`. */
const APPLICATION = fileURLToPath(new URL("./application-program-fixture.ts", import.meta.url));
/** The program of the image `test/grpc-application`. */
const GRPC_APPLICATION = fileURLToPath(new URL("./grpc-application-program-fixture.ts", import.meta.url));

export interface DeploymentOptions {
  readonly name: string;
  /** @default 2 */
  readonly replicas?: number;
  /** What the application and its port's name speak. @default "http" */
  readonly protocol?: "http" | "grpc";
  /** What the application does at SIGTERM, and for how long. */
  readonly args: readonly string[];
  /** Whether the sidecar is a restartable init container. */
  readonly isNative: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** The pause of the application's preStop hook. @default 0 */
  readonly preStopSeconds?: number;
  /** Istio's terminationDrainDuration. @default 5 */
  readonly drainSeconds?: number;
  /** @default 30 */
  readonly graceSeconds?: number;
}

/** A Deployment with its Service on port 80. */
export function formatDeployment(options: DeploymentOptions): string {
  const { name, replicas = 2, args, isNative, env = {}, preStopSeconds = 0 } = options;
  const { drainSeconds = 5, graceSeconds = 30, protocol = "http" } = options;
  const annotations = {
    "sidecar.istio.io/nativeSidecar": String(isNative),
    "proxy.istio.io/config": `terminationDrainDuration: ${drainSeconds}s`,
  };
  const container = {
    name: "app",
    image: protocol === "grpc" ? "test/grpc-application" : "test/application",
    args,
    ports: [{ containerPort: 8080 }],
    env: Object.entries(env).map(([variable, value]) => ({ name: variable, value })),
    ...(preStopSeconds > 0 && { lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } } }),
  };
  return `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: mesh }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} }, annotations: ${JSON.stringify(annotations)} }
    spec: { terminationGracePeriodSeconds: ${graceSeconds}, containers: [${JSON.stringify(container)}] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: mesh }
spec: { selector: { app: ${name} }, ports: [{ name: ${protocol}, port: 80, targetPort: 8080 }] }
`;
}

/** Two clients: `client` in the mesh, and `outsider` without a sidecar. */
const MESH = `
apiVersion: v1
kind: Namespace
metadata: { name: mesh, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: mesh }
spec: { containers: [{ name: app, image: test/application, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: outsider, namespace: outside }
spec: { containers: [{ name: app, image: test/application, ports: [{ containerPort: 8080 }] }] }
`;

/** The gateway serves this host from a Deployment of the mesh. */
export function formatGatewayRoute(host: string, deployment: string): string {
  return `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: mesh }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["${host}"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge, namespace: mesh }
spec:
  hosts: ["${host}"]
  gateways: [edge]
  http: [{ route: [{ destination: { host: ${deployment}.mesh.svc.cluster.local, port: { number: 80 } } }] }]
`;
}

export interface RolloutMesh {
  readonly cluster: LocalCluster;
  readonly client: LocalPod;
  readonly outsider: LocalPod;
  podsOf(deployment: string): readonly LocalPod[];
  /** Replaces each pod of a Deployment by a new one: first the new one becomes ready, then the old one is deleted. */
  replaceAll(deployment: string, newsDelayMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** How long other pods still send to a pod that ends. */
export const NEWS_DELAY_MS = 2500;
const GRACE_MS = 30_000;
const IMAGES = { "test/application": APPLICATION, "test/grpc-application": GRPC_APPLICATION };

export async function startRolloutMesh(
  manifests: string,
  options: Pick<LocalClusterOptions, "workloadCertificateTtl"> = {},
): Promise<RolloutMesh> {
  const folder = createTestFolder();
  folder.write(`${MESH}${manifests}`);
  const cluster = await folder.start({ images: IMAGES, ...options });
  const podsOf = (name: string) => cluster.pods.filter(({ labels }) => labels["app"] === name);
  return {
    cluster,
    client: findPod(cluster, "client"),
    outsider: findPod(cluster, "outsider"),
    podsOf,
    replaceAll: async (name, newsDelayMs = NEWS_DELAY_MS) => {
      const ending: Promise<unknown>[] = [];
      for (const pod of podsOf(name)) {
        await cluster.createLike(pod);
        ending.push(cluster.remove(pod, { graceMs: GRACE_MS, newsDelayMs }));
      }
      await Promise.all(ending);
    },
    stop: async () => {
      await cluster.stop();
      folder.remove();
    },
  };
}
