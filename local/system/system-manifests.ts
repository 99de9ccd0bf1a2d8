import { TOKEN_ISSUER } from "../pods/service-account-tokens.ts";
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
  /** For `--workload-cert-ttl`; `undefined` means the control plane's default. */
  readonly workloadCertificateTtl: string | undefined;
  /** Whether sidecars log each request to their output. */
  readonly accessLog: boolean;
}

/** The Service of the injection webhook, and the name in its certificate. */
export const WEBHOOK_SERVICE = "sidecar-injector";
/** The Secret with that certificate. */
export const WEBHOOK_SECRET = "sidecar-injector-tls";
export const CONTROL_PLANE_NAMESPACE = "istio-system";

/** What an installation of Entente adds to a cluster: the control plane, the injector and the default gateway. */
export function systemManifests(text: string, options: SystemOptions): readonly Manifest[] {
  const values = { ...controlPlaneValues(options), INJECTOR: injectorArgs(options) };
  return parseManifests(text, "local/system/system.yaml").map((manifest) => {
    return manifest.kind === "Deployment" ? { ...manifest, object: substitute(manifest.object, values) } : manifest;
  });
}

function injectorArgs({ accessLog }: SystemOptions): readonly string[] {
  return [
    ...["injector", "--tls-cert", "/run/entente/tls/tls.crt", "--tls-key", "/run/entente/tls/tls.key"],
    ...(accessLog ? ["--access-log-file", "/dev/stdout"] : []),
  ];
}

/** The parts of istiod's pod template that only this run knows. */
function controlPlaneValues(options: SystemOptions): Readonly<Record<string, unknown>> {
  const { folders, workloadCertificateTtl } = options;
  const configs = [...folders.manifests, folders.cluster];
  const mounted = configs.map((_, index) => `/run/entente/config/${index}`);
  const ttl = workloadCertificateTtl === undefined ? [] : ["--workload-cert-ttl", workloadCertificateTtl];
  const args = [
    "control-plane",
    ...mounted.flatMap((folder) => ["--config", folder]),
    ...["--ca-directory", "/run/entente/ca"],
    ...["--jwks", "/run/entente/jwks/jwks.json", "--token-issuer", TOKEN_ISSUER],
    ...ttl,
  ];
  const named = [
    ...configs.map((path, index) => ({ name: `config-${index}`, path, mountPath: mounted[index] })),
    { name: "ca", path: folders.authority, mountPath: "/run/entente/ca" },
    { name: "jwks", path: folders.jwks, mountPath: "/run/entente/jwks" },
  ];
  const readOnly = (name: string): boolean => name !== "ca";
  return {
    ARGS: args,
    MOUNTS: named.map(({ name, mountPath }) => ({ name, mountPath, readOnly: readOnly(name) })),
    VOLUMES: named.map(({ name, path }) => ({ name, hostPath: { path } })),
  };
}

/** Replaces each value that is exactly `${NAME}` by the value of that name. */
function substitute(
  object: Readonly<Record<string, unknown>>,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const text = JSON.stringify(object).replaceAll(/"\$\{([A-Z]+)\}"/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? JSON.stringify(values[name]) : whole,
  );
  return JSON.parse(text);
}
