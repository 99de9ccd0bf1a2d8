import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { mutatingWebhookConfiguration } from "../../injector/admission/selection/webhook-configuration.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type Logger, systemClock } from "../../mesh/runtime.ts";
import { LocalError } from "../local-error.ts";
import { createAddressPlan } from "../network/addresses.ts";
import { findUnresolvableNames } from "../network/service-names.ts";
import { createServices, type LocalService } from "../network/services.ts";
import { type Admission, createAdmission } from "../pods/admit-pod.ts";
import { DEFAULT_IMAGES, type ImageTable } from "../pods/images.ts";
import { type PlannedPod, planPods } from "../pods/plan-pods.ts";
import { PodHost } from "../pods/pod-host.ts";
import { createTokenSigner, type TokenSigner } from "../pods/volumes/service-account-tokens.ts";
import type { Manifest } from "../read-manifests.ts";
import { authorityFolder, type RunFolder } from "../run-folder.ts";
import { applyManifests } from "./apply-manifests.ts";
import { createFileFinder, tlsSecret } from "./cluster-files.ts";
import {
  CONTROL_PLANE_NAMESPACE,
  type SystemFolders,
  systemManifests,
  WEBHOOK_SECRET,
  WEBHOOK_SERVICE,
} from "./system-manifests.ts";
import { followTrustedRoots } from "./trusted-roots.ts";
import { findUnsupported } from "./unsupported.ts";

export interface SystemInput {
  /** The user's manifests. */
  readonly manifests: readonly Manifest[];
  readonly folders: readonly string[];
  readonly run: RunFolder;
  readonly projectFolder: string;
  readonly images: ImageTable;
  readonly workloadCertificateTtl: string | undefined;
  readonly accessLog: boolean;
  readonly onFailure: (message: string) => void;
  readonly log: Logger;
}

/** A cluster whose pods have not been created yet. */
export interface System {
  readonly host: PodHost;
  readonly services: readonly LocalService[];
  /** Differences to a cluster, one sentence each, for the user. */
  readonly warnings: readonly string[];
  readonly admission: Admission;
  readonly authorityFolder: string;
  /** The control plane and the injector; without them no other pod can be admitted. */
  readonly firstPods: readonly PlannedPod[];
  readonly otherPods: readonly PlannedPod[];
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
}

const WEBHOOK_NAME = `${WEBHOOK_SERVICE}.${CONTROL_PLANE_NAMESPACE}.svc`;
const WEBHOOK_CERTIFICATE_MS = 30 * 86_400_000;
/** As in the image. */
const SYSTEM_UID = 1337;

/** Creates what an API server and an installation provide: keys, addresses, the system's own manifests. */
export async function prepareSystem(input: SystemInput): Promise<System> {
  const { run, log, projectFolder } = input;
  const folders = makeFolders(run.path, input.folders);
  const authority = await prepareAuthority(folders.authority, log);
  const tokens = await prepareTokens(folders.jwks);
  const roots = authority.roots().join("");
  const serving = authority.signServing({ dnsNames: [WEBHOOK_NAME], lifetimeMs: WEBHOOK_CERTIFICATE_MS });
  const system = systemManifests({
    folders,
    workloadCertificateTtl: input.workloadCertificateTtl,
    accessLog: input.accessLog,
  });
  const secret = tlsSecret(CONTROL_PLANE_NAMESPACE, WEBHOOK_SECRET, serving);
  const manifests = applyManifests([...system, secret, ...input.manifests]);
  const plan = createAddressPlan();
  const services = createServices(manifests, plan);
  const namespaces = new Map(
    manifests.filter(({ kind }) => kind === "Namespace").map(({ name, labels }) => [name, labels]),
  );
  return {
    host: new PodHost({
      ...{ runId: run.id, folder: run.path, plan, services, tokens, projectFolder, node: process.execPath, log },
      images: { ...DEFAULT_IMAGES, ...input.images },
      findFiles: createFileFinder(manifests, followTrustedRoots(folders.authority, roots)),
      onFailure: input.onFailure,
    }),
    services,
    warnings: [...findUnsupported(input.manifests), ...findUnresolvableNames(services)],
    authorityFolder: folders.authority,
    admission: prepareAdmission(services, roots),
    ...splitPods(planPods(manifests, Math.random)),
    namespaceLabels: (namespace) => namespaces.get(namespace) ?? {},
  };
}

function splitPods(pods: readonly PlannedPod[]): Pick<System, "firstPods" | "otherPods"> {
  const isFirst = ({ namespace, owner }: PlannedPod): boolean =>
    namespace === CONTROL_PLANE_NAMESPACE && (owner === "istiod" || owner === WEBHOOK_SERVICE);
  return { firstPods: pods.filter(isFirst), otherPods: pods.filter((pod) => !isFirst(pod)) };
}

function makeFolders(runPath: string, manifests: readonly string[]): SystemFolders {
  const folders = {
    manifests: manifests.map((folder) => resolve(folder)),
    cluster: join(runPath, "cluster"),
    authority: authorityFolder(runPath),
    jwks: join(runPath, "jwks"),
  };
  for (const folder of [folders.cluster, folders.authority, folders.jwks]) mkdirSync(folder, { mode: 0o700 });
  for (const folder of [folders.cluster, folders.jwks]) chmodSync(folder, 0o755);
  return folders;
}

/** The root is created here, so that pods can get it before the control plane runs; then the control plane uses it. */
async function prepareAuthority(folder: string, log: Logger): Promise<Authority> {
  const trustDomain = parseTrustDomain("cluster.local");
  const authority = await openAuthority({ directory: folder, trustDomain, clock: systemClock, log });
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  for (const path of [folder, ...entries]) chownSync(path, SYSTEM_UID, SYSTEM_UID);
  return authority;
}

async function prepareTokens(folder: string): Promise<TokenSigner> {
  const tokens = await createTokenSigner();
  writeFileSync(join(folder, "jwks.json"), tokens.jwks, { mode: 0o644 });
  return tokens;
}

function prepareAdmission(services: readonly LocalService[], rootCertificates: string): Admission {
  const service = services.find(
    ({ name, namespace }) => name === WEBHOOK_SERVICE && namespace === CONTROL_PLANE_NAMESPACE,
  );
  if (service === undefined)
    throw new LocalError("bad_manifest", `the installation lacks the Service ${WEBHOOK_SERVICE}`);
  return createAdmission({
    configuration: mutatingWebhookConfiguration({ serviceName: WEBHOOK_SERVICE, rootCertificates }),
    origin: `https://${service.clusterIp}:443`,
    serverName: WEBHOOK_NAME,
    rootCertificates,
  });
}
