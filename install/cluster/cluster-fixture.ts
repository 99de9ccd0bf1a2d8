/** For tests: a cluster in memory in which Deployments start and webhooks get their roots, one step for each pause. */
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject, ReviewObject } from "../../kubernetes/kubernetes-api.ts";
import { InProcessApi } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseInstallValues } from "../values/parse-values.ts";
import type { ClusterDeps } from "./await-rollout.ts";
import { type InstallOptions, installMesh } from "./install-mesh.ts";
import { formatRemovalStep, type RemovalStep } from "./removal-report.ts";
import { type UninstallOptions, uninstallMesh } from "./uninstall-mesh.ts";

export interface FixtureOptions {
  /** Whether the caller has a right. @default everything */
  readonly allows?: (attributes: Readonly<Record<string, unknown>>) => boolean;
  /** The pods of every Deployment, until they are available. @default none */
  readonly pods?: readonly KubernetesObject[];
  /** Whether pods become available. @default true */
  readonly starts?: boolean;
}

class ReviewingApi extends InProcessApi {
  readonly #allows: NonNullable<FixtureOptions["allows"]>;

  constructor(cluster: TestCluster, allows: NonNullable<FixtureOptions["allows"]>, beforeCall: () => void) {
    super(cluster, { beforeCall });
    this.#allows = allows;
  }

  override async review(_kind: ApiKind, object?: ReviewObject): Promise<ReviewObject> {
    const attributes = Object(Object(object)["spec"])["resourceAttributes"];
    return { apiVersion: "", kind: "", status: { allowed: this.#allows(attributes) } };
  }
}

export class InstallFixture {
  readonly cluster = new TestCluster();
  readonly clock = new FakeClock();
  readonly lines: string[] = [];
  readonly #options: FixtureOptions;
  readonly #firstNamespaces = this.names(KINDS.namespaces);
  /** The call, counted from one, that fails as if the connection were cut. */
  failsAtCall = Number.POSITIVE_INFINITY;
  #calls = 0;

  constructor(options: FixtureOptions = {}) {
    this.#options = options;
  }

  /** The namespaces that a new cluster has. */
  get firstNamespaces(): readonly string[] {
    return this.#firstNamespaces;
  }

  async install(
    expressions: readonly string[] = [],
    options: Partial<InstallOptions> = {},
  ): Promise<readonly string[]> {
    const from = this.lines.length;
    await installMesh(parseInstallValues({ expressions }), { mode: "apply", waitMs: 60_000, ...options }, this.#deps());
    return this.lines.slice(from);
  }

  /** @returns the lines that it prints */
  async uninstall(options: Partial<UninstallOptions> = {}): Promise<readonly string[]> {
    const steps = await this.removalSteps(options);
    return steps.map((step) => formatRemovalStep(step, options.effect ?? "remove"));
  }

  async removalSteps(options: Partial<UninstallOptions> = {}): Promise<readonly RemovalStep[]> {
    const steps: RemovalStep[] = [];
    const defaults = { namespace: "istio-system", revision: "default", waitMs: 10_000 } as const;
    await uninstallMesh(
      { ...defaults, mode: "keep", effect: "remove", ...options },
      { ...this.#deps(), report: (step) => void steps.push(step) },
    );
    return steps;
  }

  put(kind: ApiKind, object: Pick<KubernetesObject, "metadata"> & Readonly<Record<string, unknown>>): void {
    const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
    this.cluster.create(kind, { ...object, apiVersion, kind: kind.kind });
  }

  /** `Kind namespace/name` of all objects of the kinds that an installation has. */
  names(...kinds: readonly ApiKind[]): readonly string[] {
    return kinds.flatMap((kind) =>
      this.cluster
        .list(kind, {})
        .items.map(
          ({ metadata }) => `${kind.kind} ${metadata.namespace ? `${metadata.namespace}/` : ""}${metadata.name}`,
        ),
    );
  }

  #deps(): ClusterDeps {
    const beforeCall = (): void => {
      this.#calls += 1;
      if (this.#calls >= this.failsAtCall) throw new Error("the connection was cut");
    };
    return {
      api: new ReviewingApi(this.cluster, this.#options.allows ?? (() => true), beforeCall),
      clock: this.clock,
      report: (line) => void this.lines.push(line),
      signal: new AbortController().signal,
      pause: async (ms) => {
        await this.clock.advance(ms);
        this.#step();
      },
    };
  }

  /** What the cluster's controllers and the injector do. */
  #step(): void {
    const { starts = true, pods = [] } = this.#options;
    for (const deployment of this.cluster.list(KINDS.deployments, {}).items) {
      if (starts) this.#start(deployment);
      else for (const pod of pods) this.#addPod(pod, deployment);
    }
    if (!starts) return;
    for (const kind of [KINDS.mutatingWebhooks, KINDS.validatingWebhooks]) {
      for (const { apiVersion, metadata, ...rest } of this.cluster.list(kind, {}).items) {
        const webhooks = Object(rest)["webhooks"].map(({ name }: { name: string }) => ({
          name,
          clientConfig: { caBundle: "UEVN" },
          ...(kind === KINDS.validatingWebhooks && { failurePolicy: "Fail" }),
        }));
        const object = { apiVersion, kind: kind.kind, metadata: { name: metadata.name }, webhooks };
        this.cluster.apply(kind, object, { fieldManager: "entente-injector", force: true });
      }
    }
  }

  #start(deployment: KubernetesObject): void {
    const { replicas } = Object(deployment["spec"]);
    const status = {
      observedGeneration: deployment.metadata.generation ?? 1,
      updatedReplicas: replicas,
      availableReplicas: replicas,
    };
    this.cluster.replace(KINDS.deployments, { ...deployment, kind: "Deployment", status }, { subresource: "status" });
  }

  #addPod(pod: KubernetesObject, deployment: KubernetesObject): void {
    const { namespace = "", name } = deployment.metadata;
    const labels = Object(deployment["spec"]).selector.matchLabels;
    const found = this.cluster
      .list(KINDS.pods, { namespace })
      .items.some((other) => other.metadata.name === `${name}-1`);
    if (!found) this.put(KINDS.pods, { ...pod, metadata: { name: `${name}-1`, namespace, labels } });
  }
}
