import { parseArgs } from "node:util";
import type { IdentityOptions } from "../../control-plane/identity/start-identity.ts";
import type { ControlPlaneOptions } from "../../control-plane/start-control-plane.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { parseDuration, parsePort } from "../option-values.ts";
import { UsageError } from "../usage-error.ts";

const OPTIONS = {
  config: {
    type: "string",
    multiple: true,
    value: "FOLDER",
    help: "Kubernetes YAML to serve, watched; later ones win. With --kubernetes it replaces the API as source",
  },
  "ca-directory": {
    type: "string",
    value: "FOLDER",
    help: "the authority: Istio's cacerts files, or the place of a root created on first start (/etc/cacerts)",
  },
  kubernetes: {
    type: "boolean",
    help: "run as a part of the cluster: the API is the configuration's source and judges tokens, and the authority is in the Secret cacerts or istio-ca-secret",
  },
  kubeconfig: { type: "string", value: "FILE", help: "with --kubernetes, outside of the cluster" },
  "mesh-config": {
    type: "string",
    value: "FILE",
    help: "Istio's mesh configuration: the key mesh of the ConfigMap istio (with --kubernetes /etc/istio/config/mesh)",
  },
  jwks: { type: "string", value: "FILE", help: "public keys of the service account tokens' issuer (RFC 7517)" },
  "token-issuer": { type: "string", value: "NAME", help: "the required issuer of tokens" },
  "trust-domain": { type: "string", default: "cluster.local", value: "NAME", help: "the mesh's trust domain" },
  "trust-domain-alias": { type: "string", multiple: true, value: "NAME", help: "another trusted domain" },
  "workload-cert-ttl": {
    type: "string",
    value: "TIME",
    help: "lifetime of certificates if the caller requests none (24h, or --max-workload-cert-ttl if that is shorter)",
  },
  "max-workload-cert-ttl": {
    type: "string",
    value: "TIME",
    help: "longer requested lifetimes are refused; an old root is trusted for so long (--workload-cert-ttl, or 24h)",
  },
  "outbound-traffic-policy": {
    type: "string",
    default: "ALLOW_ANY",
    choices: ["ALLOW_ANY", "REGISTRY_ONLY"],
    help: "policy for addresses outside the mesh",
  },
  port: { type: "string", default: "15012", value: "PORT", help: "the port for sidecars" },
  "metrics-port": { type: "string", default: "15014", value: "PORT", help: "the port of metrics and readiness" },
} as const satisfies OptionTable;

export const CONTROL_PLANE_DESCRIPTION: CommandDescription = {
  forms: ["--kubernetes [OPTION ...]", "--config FOLDER --jwks FILE --token-issuer NAME [OPTION ...]"],
  text: `
Signs the sidecars' certificates and sends them their configuration, on port 15012. Metrics and readiness are on port
15014.`,
  options: OPTIONS,
};

/** What the command line says; the cluster and the mesh configuration add the rest. */
export interface ControlPlaneCommandLine
  extends Omit<ControlPlaneOptions, "identity" | "dnsNames" | "source" | "settings" | "version"> {
  readonly settings: MeshSettings;
  /** Empty: the Kubernetes API is the source. */
  readonly configFolders: readonly string[];
  readonly identity:
    | Extract<IdentityOptions, { kind: "files" }>
    | { readonly kind: "kubernetes"; readonly kubeconfig: string | undefined };
  /** Its settings come before those of the command line. */
  readonly meshConfigFile: string | undefined;
}

const DEFAULT_LIFETIME_MS = 86_400_000;
const CA_DIRECTORY = "/etc/cacerts";
/** Where an installation mounts the ConfigMap `istio`. */
const MESH_CONFIG_FILE = "/etc/istio/config/mesh";

/** Parses the command line; a UsageError names what is missing. */
export function parseControlPlaneOptions(args: readonly string[]): ControlPlaneCommandLine {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { config: configFolders = [] } = values;
  if (configFolders.length === 0 && values.kubernetes !== true) {
    throw new UsageError("--config is missing: give the folder with the YAML files, or --kubernetes");
  }
  return {
    configFolders,
    identity: parseIdentity(values),
    meshConfigFile: values["mesh-config"] ?? (values.kubernetes === true ? MESH_CONFIG_FILE : undefined),
    ...parseLifetimes(values),
    port: parsePort(values.port, "--port"),
    metricsPort: parsePort(values["metrics-port"], "--metrics-port"),
    settings: {
      trustDomain: parseTrustDomain(values["trust-domain"]),
      trustDomainAliases: (values["trust-domain-alias"] ?? []).map(parseTrustDomain),
      caCertificates: [],
      rootNamespace: "istio-system",
      clusterDomain: "cluster.local",
      outboundTrafficPolicy: parseTrafficPolicy(values["outbound-traffic-policy"]),
      autoMtls: true,
      h2UpgradePolicy: "DEFAULT",
      pathNormalization: "BASE",
      numTrustedProxies: 0,
    },
  };
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/**
 * An old root is trusted for the longest lifetime after it has signed last: no certificate may live longer. Istio's limit of
 * 90 days would keep each root for that long, and would give a holder of a token once a certificate for 90 days.
 */
function parseLifetimes(values: Values): Pick<ControlPlaneOptions, "defaultLifetimeMs" | "maxLifetimeMs"> {
  const { "workload-cert-ttl": lifetime, "max-workload-cert-ttl": longest } = values;
  const parse = (text: string | undefined, option: string): number | undefined =>
    text === undefined ? undefined : parseDuration(text, option);
  const maxMs = parse(longest, "--max-workload-cert-ttl");
  const defaultLifetimeMs =
    parse(lifetime, "--workload-cert-ttl") ?? Math.min(DEFAULT_LIFETIME_MS, maxMs ?? DEFAULT_LIFETIME_MS);
  const maxLifetimeMs = maxMs ?? Math.max(defaultLifetimeMs, DEFAULT_LIFETIME_MS);
  if (defaultLifetimeMs <= maxLifetimeMs) return { defaultLifetimeMs, maxLifetimeMs };
  throw new UsageError(
    `--workload-cert-ttl ${lifetime} is longer than --max-workload-cert-ttl ${longest}: raise that one`,
  );
}

function parseIdentity(values: Values): ControlPlaneCommandLine["identity"] {
  const { jwks, "token-issuer": issuer, "ca-directory": caDirectory, kubeconfig } = values;
  if (values.kubernetes !== true) {
    if (kubeconfig !== undefined) throw new UsageError("--kubeconfig needs --kubernetes");
    const jwksFile = required(jwks, "--jwks");
    const tokenIssuer = required(issuer, "--token-issuer");
    return { kind: "files", caDirectory: caDirectory ?? CA_DIRECTORY, jwksFile, tokenIssuer };
  }
  const [unused] = Object.entries({ "--jwks": jwks, "--token-issuer": issuer, "--ca-directory": caDirectory }).filter(
    ([, value]) => value !== undefined,
  );
  if (unused === undefined) return { kind: "kubernetes", kubeconfig };
  throw new UsageError(`${unused[0]} has no effect with --kubernetes: the API has the authority and judges tokens`);
}

function required(value: string | undefined, option: string): string {
  if (value === undefined || value === "") throw new UsageError(`${option} is missing`);
  return value;
}

function parseTrafficPolicy(text: string): MeshSettings["outboundTrafficPolicy"] {
  if (text === "ALLOW_ANY" || text === "REGISTRY_ONLY") return text;
  throw new UsageError(`--outbound-traffic-policy must be ALLOW_ANY or REGISTRY_ONLY, got "${text}"`);
}
