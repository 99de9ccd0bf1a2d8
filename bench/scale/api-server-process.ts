/** The simulated API server of the scale bench: the test server, with a large mesh. Started by `fork`. */
import { formatSelfSignedSecret } from "../../ca-agent/authority/secrets/authority-secret.ts";
import { CUSTOM_RESOURCES, customResourceDefinition } from "../../install/crds/custom-resources.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { startTestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import type { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { type FromApiServer, machineMs, type ToApiServer } from "./messages.ts";
import { type PodRef, type StoredPod, Topology, versionOf } from "./topology.ts";

/** The cluster's mesh. */
class LargeMesh {
  readonly #cluster: TestCluster;
  readonly #topology: Topology;
  readonly #pods = new Map<number, StoredPod>();

  constructor(cluster: TestCluster, topology: Topology) {
    this.#cluster = cluster;
    this.#topology = topology;
  }

  fill(): void {
    const { namespaces, size } = this.#topology;
    for (const resource of CUSTOM_RESOURCES) {
      this.#cluster.create(KINDS.customResourceDefinitions, customResourceDefinition(resource, {}));
    }
    for (const name of ["istio-system", ...namespaces]) {
      this.#cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    for (const namespace of namespaces) {
      for (const account of this.#topology.serviceAccounts(namespace)) {
        this.#cluster.create(KINDS.serviceAccounts, account);
      }
    }
    for (let number = 0; number < size.pods; number += 1) this.#createPod({ number, generation: 0 });
    for (let service = 0; service < size.services; service += 1) {
      this.#cluster.create(KINDS.services, this.#topology.service(service));
      this.#cluster.create(KINDS.endpointSlices, this.#slice(service));
    }
  }

  /** As a Deployment's rollout does: a new pod, the slice with it instead of the old one, which is then deleted. */
  replacePod(change: number): FromApiServer {
    const number = this.#topology.replacedPod(change);
    const before = this.#pods.get(number) ?? { number, generation: 0, uid: "" };
    const ref = { number, generation: before.generation + 1 };
    const service = this.#topology.serviceOf(ref);
    const atMs = machineMs();
    this.#createPod(ref);
    this.#cluster.replace(KINDS.endpointSlices, this.#slice(service));
    this.#cluster.delete(KINDS.pods, this.#topology.pod(before).metadata);
    return { kind: "replaced", version: versionOf(ref), service, atMs };
  }

  #createPod(ref: PodRef): void {
    const pod = this.#topology.pod(ref);
    const { metadata } = this.#cluster.create(KINDS.pods, pod);
    this.#cluster.replace(KINDS.pods, pod, { subresource: "status" });
    this.#pods.set(ref.number, { ...ref, uid: metadata.uid ?? "" });
  }

  #slice(service: number) {
    const pods = this.#topology.podsOf(service).flatMap((number) => this.#pods.get(number) ?? []);
    return this.#topology.slice(service, pods);
  }
}

let mesh: LargeMesh | undefined;

async function start({ size, authority }: Extract<ToApiServer, { kind: "start" }>): Promise<FromApiServer> {
  const server = await startTestApiServer(new Cleanup());
  mesh = new LargeMesh(server.cluster, new Topology(size));
  mesh.fill();
  server.cluster.create(KINDS.secrets, formatSelfSignedSecret("istio-system", authority));
  return { kind: "started", kubeconfig: server.kubeconfig() };
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToApiServer) => {
  if (message.kind === "start") void start(message).then((started) => process.send?.(started));
  else if (mesh !== undefined) process.send?.(mesh.replacePod(message.change));
});
