import { execFile } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createLogger } from "../../../cli/create-logger.ts";
import type { LocalPod } from "../../../local/pods/local-pod.ts";
import { type LocalCluster, type PublishRequest, startLocalCluster } from "../../../local/start-local-cluster.ts";
import { ATTACKER_MANIFEST } from "./checks/attacker-manifest.ts";
import type { DemoCluster } from "./demo-cluster.ts";
import { type DemoPace, describePace, scaleLimit } from "./demo-pace.ts";
import type { DemoPod } from "./pods/demo-pod.ts";
import { startHostRequester } from "./pods/host-requests.ts";
import { pollUntil } from "./poll-until.ts";
import { runEntente, runEntenteHere } from "./trust/run-entente.ts";

export interface StartDemoOptions {
  /** A folder of this run's own. */
  readonly scratchFolder: string;
  readonly pace: DemoPace;
  readonly onProgress: (step: string) => void;
  readonly signal: AbortSignal;
}

const MANIFESTS = ["..", "../../hello-grpc"].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
const GATEWAY = {
  hostPort: 8080,
  whenTaken: "use_another",
  service: "istio-ingressgateway.istio-system",
  port: 80,
} as const satisfies PublishRequest;
const PROJECT_FOLDER = fileURLToPath(new URL("../../..", import.meta.url));
const CONTROL_PLANE = "control-plane";
const CONTROL_PLANE_READY_MS = 20_000;

/** Brings the manifests up in a copy, so that the demo may change them, and with the attacker's pod added. */
export async function startDemoCluster(options: StartDemoOptions): Promise<DemoCluster> {
  const { pace } = options;
  const manifests = await copyManifests(options.scratchFolder);
  const host = startHostRequester();
  try {
    const cluster = await startLocalCluster({
      manifests: [manifests],
      publish: [GATEWAY],
      images: { entente: await bundleImage(options) },
      workloadCertificateTtl: `${pace.leafLifetimeS}s`,
      log: createLogger("error"),
      onProgress: options.onProgress,
      signal: options.signal,
      // No client is left to drain for.
      forceSignal: AbortSignal.abort(),
    });
    // By the folder it is this mesh, where several run on the machine.
    const isThis = ["--local", "--ca-directory", cluster.authorityFolder];
    const { gatewayUrl, notices } = describeGateway(cluster);
    return {
      ...findPods(cluster),
      host,
      gatewayUrl,
      notices: [...notices, ...describePace(pace)],
      pace,
      policyFile: join(manifests, "10-mesh-mtls.yaml"),
      authorizationFile: join(manifests, "80-authorization.yaml"),
      authorityFolder: cluster.authorityFolder,
      ca: (args, signal) => runEntente(["ca", ...args, ...isThis], signal),
      readAuthority: async (signal) => (await runEntenteHere(["ca", "status", "-o", "json", ...isThis], signal)).stdout,
      ...controlPlaneSwitch(cluster, options),
      stop: async () => {
        await cluster.stop();
        await host.stop();
      },
    };
  } catch (caught) {
    await host.stop();
    throw caught;
  }
}

function describeGateway({ published }: LocalCluster): Pick<DemoCluster, "gatewayUrl" | "notices"> {
  const [{ hostPort, takenPort } = { hostPort: GATEWAY.hostPort, takenPort: undefined }] = published;
  const gatewayUrl = `http://127.0.0.1:${hostPort}/`;
  if (takenPort === undefined) return { gatewayUrl, notices: [] };
  return { gatewayUrl, notices: [`port ${takenPort} of 127.0.0.1 is in use; the gateway is at ${gatewayUrl} instead`] };
}

/** What a cluster's pods run; it starts in a fifth of the time that the sources take. @returns its program */
async function bundleImage({ scratchFolder, onProgress }: StartDemoOptions): Promise<string> {
  onProgress("bundling the image");
  const folder = join(scratchFolder, "image");
  // To its end, also after an interrupt: it writes into a folder that is then removed.
  await promisify(execFile)(process.execPath, ["scripts/bundle.ts", folder], { cwd: PROJECT_FOLDER });
  return join(folder, "entente.mjs");
}

async function copyManifests(scratchFolder: string): Promise<string> {
  const folder = join(scratchFolder, "manifests");
  await mkdir(folder, { mode: 0o755 });
  for (const source of MANIFESTS) {
    const names = (await readdir(source)).filter((name) => name.endsWith(".yaml"));
    await Promise.all(names.map((name) => copyFile(join(source, name), join(folder, name))));
  }
  await writeFile(join(folder, "90-attacker.yaml"), ATTACKER_MANIFEST);
  return folder;
}

type DemoPods = Pick<DemoCluster, "gateway" | "hello" | "world" | "end" | "attacker" | "caller" | "greeters">;

function findPods(cluster: LocalCluster): DemoPods {
  return {
    gateway: demoPod("gateway", findPod(cluster, "istio-system", "istio-ingressgateway")),
    hello: demoPod("hello", findPod(cluster, "ns1", "hello")),
    world: demoPod("world", findPod(cluster, "ns2", "world")),
    end: demoPod("end", findPod(cluster, "legacy", "end")),
    attacker: demoPod("attacker", findPod(cluster, "legacy", "attacker")),
    caller: demoPod("caller", findPod(cluster, "hello-grpc", "caller")),
    greeters: cluster.pods
      .filter(({ namespace, labels }) => namespace === "hello-grpc" && labels["app"] === "greeter")
      .map((pod) => demoPod("greeter", pod)),
  };
}

function findPod(cluster: LocalCluster, namespace: string, app: string): LocalPod {
  const found = cluster.pods.find((pod) => pod.namespace === namespace && pod.labels["app"] === app);
  if (found === undefined) throw new Error(`the mesh has no pod with the label app=${app} in ${namespace}`);
  return found;
}

function demoPod(label: string, pod: LocalPod): DemoPod {
  return {
    label,
    name: pod.name,
    namespace: pod.namespace,
    ip: pod.ip,
    hostInterface: pod.network.hostInterface,
    exec: (command, execOptions) => pod.exec(command, execOptions),
    processIds: () => pod.containers.map(({ pid }) => pid),
    proxyLog: () => readFile(pod.logFile("istio-proxy"), "utf8").catch(() => ""),
  };
}

function controlPlaneSwitch(
  cluster: LocalCluster,
  { pace, signal }: StartDemoOptions,
): Pick<DemoCluster, "killControlPlane" | "startControlPlane"> {
  const pod = findPod(cluster, "istio-system", "istiod");
  return {
    killControlPlane: () => pod.stopContainer(CONTROL_PLANE, "SIGKILL"),
    startControlPlane: async () => {
      pod.startContainer(CONTROL_PLANE);
      const { isReached } = await pollUntil(
        () => pod.isReady(),
        (isReady) => isReady,
        { everyMs: 50, timeoutMs: scaleLimit(CONTROL_PLANE_READY_MS, pace), signal },
      );
      if (!isReached) throw new Error(`the control plane is not ready; its log is ${pod.logFile(CONTROL_PLANE)}`);
    },
  };
}
