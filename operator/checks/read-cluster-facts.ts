import { ROOT_CONFIG_MAP } from "../../ca-agent/trust-distribution/root-config-map.ts";
import { rightsToInstall } from "../../install/cluster/check-rights.ts";
import { renderInstallation } from "../../install/render-installation.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { type ReviewedRights, reviewRights } from "../../kubernetes/access-review.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { PodTlsRequest, PresentedCertificate } from "../../kubernetes/pod-port/pod-ports.ts";
import { listPages, type Selection } from "../../kubernetes/reflector/list-pages.ts";
import { collectFindings } from "../analysis/collect-findings.ts";
import { countFindings } from "../analysis/format-findings.ts";
import { configurationFromCluster } from "../configuration/read-cluster.ts";
import { OperatorError } from "../operator-error.ts";
import type { PodPages } from "../pod-pages.ts";
import { readReplicas } from "../proxies/read-replicas.ts";
import { type MeshPod, readMeshPods } from "../versions/component-pods.ts";
import type { ClusterFacts, WebhookCertificate } from "./cluster-facts.ts";
import type { CheckStage } from "./evaluate-checks.ts";
import { readFact, unknown } from "./fact.ts";
import { listAt, textAt } from "./object-fields.ts";
import { isOurs } from "./preflight-checks.ts";
import { probedRevision, readProbe } from "./read-probe.ts";
import { bundleOf } from "./webhook-checks.ts";

/** The cluster as the checks read it. */
export interface CheckedCluster {
  readonly api: KubernetesApi;
  readonly pods: PodPages & PodCertificates;
  /** For messages. */
  readonly server: string;
  readonly rootNamespace: string;
  /** How far the server's clock is ahead. */
  readonly readClock: (signal: AbortSignal) => Promise<number>;
  readonly now: () => number;
}

interface PodCertificates {
  presentedCertificate(request: PodTlsRequest): Promise<PresentedCertificate>;
}

const NOT_READ = unknown("it was not read");

/** Reads what a stage judges. Every failure is a fact; only the caller's signal ends it. */
export async function readClusterFacts(
  cluster: CheckedCluster,
  stage: CheckStage,
  signal: AbortSignal,
): Promise<ClusterFacts> {
  const { api, server, rootNamespace, now } = cluster;
  const version = await readFact(() => api.version({ signal }), signal);
  const base = { nowMs: now(), server, rootNamespace, version, ...NOTHING };
  if (version.kind === "unknown") return base;
  const list = listFact(api, signal);
  const [clockAheadMs, definitions, nodes, deployments, mutatingWebhooks] = await Promise.all([
    readFact(() => cluster.readClock(signal), signal),
    list(KINDS.customResourceDefinitions),
    list(KINDS.nodes),
    list(KINDS.deployments),
    list(KINDS.mutatingWebhooks),
  ]);
  const shared = { ...base, clockAheadMs, definitions, nodes, deployments, mutatingWebhooks };
  if (stage === "preflight") {
    return { ...shared, rights: await readFact(() => readRights(cluster, signal), signal) };
  }
  const webhooks = mutatingWebhooks.kind === "known" ? mutatingWebhooks.value : [];
  const [health, served] = await Promise.all([
    readHealthFacts(cluster, probedRevision(webhooks), signal),
    readServedFacts(cluster, webhooks, signal),
  ]);
  return { ...shared, ...health, ...served };
}

/** What an installation into the namespace would do, and whether the caller may do it. */
function readRights({ api, rootNamespace }: CheckedCluster, signal: AbortSignal): Promise<ReviewedRights> {
  const values = parseInstallValues({ expressions: [`namespace=${rootNamespace}`] });
  const objects = renderInstallation(values).flatMap((part) => part.objects);
  return reviewRights(api, objects.flatMap(rightsToInstall), { signal });
}

/** What the API server knows of a running mesh. */
async function readHealthFacts({ api, rootNamespace }: CheckedCluster, revision: string, signal: AbortSignal) {
  const list = listFact(api, signal);
  const analyze = async () =>
    countFindings(collectFindings(await configurationFromCluster({ api, rootNamespace, signal })));
  const [namespaces, pods, endpointSlices, validatingWebhooks, rootConfigMaps, probe, findings] = await Promise.all([
    list(KINDS.namespaces),
    list(KINDS.pods),
    list(KINDS.endpointSlices, { namespace: rootNamespace }),
    list(KINDS.validatingWebhooks),
    list(KINDS.configMaps, { fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}` }),
    readFact(() => readProbe(api, revision, signal), signal),
    readFact(analyze, signal),
  ]);
  return { namespaces, pods, endpointSlices, validatingWebhooks, rootConfigMaps, probe, findings };
}

/** What the programs in the mesh's pods serve. */
async function readServedFacts(
  cluster: CheckedCluster,
  webhooks: readonly KubernetesObject[],
  signal: AbortSignal,
): Promise<Pick<ClusterFacts, "replicas" | "webhookCertificate">> {
  const { api, rootNamespace, pods } = cluster;
  const mesh = await readFact(() => readMeshPods({ api, rootNamespace, signal }), signal);
  if (mesh.kind === "unknown") return { replicas: mesh, webhookCertificate: mesh };
  const { controlPlane, injector } = mesh.value;
  const [replicas, webhookCertificate] = await Promise.all([
    readFact(() => readReplicas(pods, controlPlane, signal), signal),
    readFact(() => readCertificate(cluster, { webhooks, injector }, signal), signal),
  ]);
  return { replicas, webhookCertificate };
}

function listFact(api: KubernetesApi, signal: AbortSignal) {
  return (kind: ApiKind, selection: Omit<Selection, "kind"> = {}) =>
    readFact(() => listAll(api, { kind, ...selection }, signal), signal);
}

const NOTHING = {
  clockAheadMs: NOT_READ,
  rights: NOT_READ,
  definitions: NOT_READ,
  namespaces: NOT_READ,
  nodes: NOT_READ,
  pods: NOT_READ,
  deployments: NOT_READ,
  endpointSlices: NOT_READ,
  mutatingWebhooks: NOT_READ,
  validatingWebhooks: NOT_READ,
  rootConfigMaps: NOT_READ,
  webhookCertificate: NOT_READ,
  probe: NOT_READ,
  replicas: NOT_READ,
  findings: NOT_READ,
} as const;

async function listAll(
  api: KubernetesApi,
  selection: Selection,
  signal: AbortSignal,
): Promise<readonly KubernetesObject[]> {
  const { objects } = await listPages(api, { selection, transform: (object) => object, signal });
  return [...objects.values()];
}

interface WebhookEnds {
  readonly webhooks: readonly KubernetesObject[];
  readonly injector: readonly MeshPod[];
}

/** What a ready replica of the injector presents to the API server, judged by the first webhook's `caBundle`. */
async function readCertificate(
  { pods }: CheckedCluster,
  { webhooks, injector }: WebhookEnds,
  signal: AbortSignal,
): Promise<WebhookCertificate> {
  const [webhook] = webhooks.filter(isOurs).flatMap((configuration) => listAt(configuration, "webhooks"));
  const pod = injector.find(({ isReady }) => isReady);
  if (webhook === undefined || pod === undefined) {
    throw new OperatorError("not_found", "no replica of the injector is ready");
  }
  const service = ["name", "namespace"].map((field) => textAt(webhook, "clientConfig", "service", field) ?? "");
  const servername = `${service.join(".")}.svc`;
  const request = { pod, port: WEBHOOK_PORT, servername, ca: bundleOf(webhook), signal };
  const { certificate, fault } = await pods.presentedCertificate(request);
  return {
    notAfter: certificate.validToDate.toISOString(),
    names: certificate.subjectAltName ?? "no name",
    ...(fault === undefined ? {} : { fault }),
  };
}

/** Behind the Service's port 443. */
const WEBHOOK_PORT = 15_017;
