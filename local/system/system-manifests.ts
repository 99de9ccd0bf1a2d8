import type { V1Deployment } from "@kubernetes/client-node";
import { renderInstallation } from "../../install/render-installation.ts";
import type { InstallValues } from "../../install/values/install-values.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { formatManifests } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { TOKEN_ISSUER } from "../pods/volumes/service-account-tokens.ts";
import { type Manifest, parseManifests } from "../read-manifests.ts";

/** The folders that the system's pods mount. */
export interface SystemFolders {
  /** The user's folders of manifests. */
  readonly manifests: readonly string[];
  readonly cluster: string;
  readonly authority: string;
  readonly jwks: string;
}

export interface SystemOptions {
  readonly folders: SystemFolders;
  /** The lifetime of all certificates; `undefined` means the control plane's defaults. */
  readonly workloadCertificateTtl: string | undefined;
  /** Whether proxies log each request to their output. */
  readonly accessLog: boolean;
}

/** The Service of the injection webhook, and the name in its certificate. */
export const WEBHOOK_SERVICE = "istio-sidecar-injector";
/** The Secret with that certificate. */
export const WEBHOOK_SECRET = "istio-sidecar-injector-tls";
export const CONTROL_PLANE_NAMESPACE = "istio-system";

/** What there is no API server for: these kinds change nothing for the pods of one machine. */
const OMITTED_PARTS: ReadonlySet<string> = new Set(["crds", "access-rights", "webhooks"]);

/**
 * What an installation adds to a cluster, as `entente install` renders it, and what every cluster has. Only the control
 * plane and the injector differ: they have folders and files instead of the Kubernetes API.
 */
export function systemManifests(options: SystemOptions): readonly Manifest[] {
  const objects = renderInstallation(localValues(options))
    .filter(({ name }) => !OMITTED_PARTS.has(name))
    .flatMap((part) => part.objects);
  const local = objects.map((object) => {
    if (!isDeployment(object)) return object;
    if (object.metadata.name === "istiod") return withPodSpec(object, controlPlaneOverlay(options));
    return object.metadata.name === WEBHOOK_SERVICE ? withPodSpec(object, INJECTOR_OVERLAY) : object;
  });
  return parseManifests(formatManifests([...local, API_SERVER]), "the installation");
}

function localValues({ accessLog }: SystemOptions): InstallValues {
  const one = ["controlPlane.replicas=1", "injector.replicas=1", "gateway.replicas=1"];
  return parseInstallValues({ expressions: [...one, ...(accessLog ? ["accessLogFile=/dev/stdout"] : [])] });
}

/** What a pod has on one machine beside, or instead of, what it has in a cluster. */
interface Overlay {
  /** In place of `--kubernetes`. */
  readonly args: readonly string[];
  readonly mounts: readonly LocalMount[];
}

interface LocalMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
  readonly volume:
    | { readonly hostPath: { readonly path: string } }
    | { readonly secret: { readonly secretName: string } };
}

type Deployment = KubernetesObject & Pick<V1Deployment, "spec">;

function isDeployment(object: KubernetesObject): object is Deployment {
  return object.kind === "Deployment";
}

function withPodSpec(object: Deployment, { args, mounts }: Overlay): KubernetesObject {
  const { spec } = object;
  const pod = spec?.template.spec;
  if (spec === undefined || pod === undefined) return object;
  const containers = pod.containers.map((container) => ({
    ...container,
    args: (container.args ?? []).flatMap((arg) => (arg === "--kubernetes" ? args : [arg])),
    volumeMounts: [
      ...(container.volumeMounts ?? []).map(moveMount),
      ...mounts.map(({ name, mountPath, readOnly }) => ({ name, mountPath, readOnly })),
    ],
  }));
  const volumes = [...(pod.volumes ?? []), ...mounts.map(({ name, volume }) => ({ name, ...volume }))];
  return { ...object, spec: { ...spec, template: { ...spec.template, spec: { ...pod, containers, volumes } } } };
}

const MESH_CONFIG_FOLDER = "/run/entente/mesh-config";

/** Containers have this machine's /etc, in which the folder does not exist. */
function moveMount<Mount extends { readonly name: string; readonly mountPath: string }>(mount: Mount): Mount {
  return mount.name === "mesh-config" ? { ...mount, mountPath: MESH_CONFIG_FOLDER } : mount;
}

const INJECTOR_OVERLAY: Overlay = {
  args: [
    ...["--tls-cert", "/run/entente/tls/tls.crt", "--tls-key", "/run/entente/tls/tls.key"],
    ...["--mesh-config", `${MESH_CONFIG_FOLDER}/mesh`],
  ],
  mounts: [
    { name: "tls", mountPath: "/run/entente/tls", readOnly: true, volume: { secret: { secretName: WEBHOOK_SECRET } } },
  ],
};

function controlPlaneOverlay({ folders, workloadCertificateTtl }: SystemOptions): Overlay {
  const configs = [...folders.manifests, folders.cluster].map((path, index) =>
    hostMount(`config-${index}`, path, `/run/entente/config/${index}`),
  );
  return {
    args: [
      ...configs.flatMap(({ mountPath }) => ["--config", mountPath]),
      ...["--ca-directory", "/run/entente/ca"],
      ...["--jwks", "/run/entente/jwks/jwks.json", "--token-issuer", TOKEN_ISSUER],
      ...lifetimeArguments(workloadCertificateTtl),
    ],
    mounts: [
      ...configs,
      { ...hostMount("ca", folders.authority, "/run/entente/ca"), readOnly: false },
      hostMount("jwks", folders.jwks, "/run/entente/jwks"),
    ],
  };
}

/** The longest lifetime too: after a rotation the old root is trusted for so long. */
function lifetimeArguments(lifetime: string | undefined): readonly string[] {
  if (lifetime === undefined) return [];
  return ["--workload-cert-ttl", lifetime, "--max-workload-cert-ttl", lifetime];
}

function hostMount(name: string, path: string, mountPath: string): LocalMount {
  return { name, mountPath, readOnly: true, volume: { hostPath: { path } } };
}

/** As in every cluster: the API server's own Service. It has no endpoints here. */
const API_SERVER = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "kubernetes", namespace: "default" },
  spec: { ports: [{ name: "https", port: 443, targetPort: 6443 }] },
};
