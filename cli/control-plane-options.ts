import { parseArgs } from "node:util";
import type { ControlPlaneOptions } from "../control-plane/start-control-plane.ts";
import { parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import { parseDuration, parsePort } from "./option-values.ts";
import { UsageError } from "./usage-error.ts";

export const CONTROL_PLANE_USAGE = `
Usage: entente control-plane --config FOLDER --jwks FILE --token-issuer NAME [OPTION ...]

Signs the sidecars' certificates and sends them their configuration, on port 15012. Metrics and readiness are on port 15014.

  --config FOLDER             Kubernetes YAML to serve, watched; may be given several times, later ones win
  --ca-directory FOLDER       the authority: Istio's cacerts files, or the place of a root created on first start
                              (/etc/cacerts)
  --jwks FILE                 public keys of the service account tokens' issuer (RFC 7517)
  --token-issuer NAME         the required issuer of tokens
  --trust-domain NAME         (cluster.local)
  --trust-domain-alias NAME   another trusted domain; may be given several times
  --workload-cert-ttl TIME    lifetime of certificates if the caller requests none (24h)
  --max-workload-cert-ttl TIME  longer requested lifetimes are refused (2160h)
  --outbound-traffic-policy ALLOW_ANY|REGISTRY_ONLY  policy for addresses outside the mesh (ALLOW_ANY)
  --port PORT                 (15012)
  --metrics-port PORT         (15014)
`;

/** Parses the command line; a UsageError names what is missing. */
export function parseControlPlaneOptions(args: readonly string[]): ControlPlaneOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: "string", multiple: true, default: [] },
      "ca-directory": { type: "string", default: "/etc/cacerts" },
      jwks: { type: "string" },
      "token-issuer": { type: "string" },
      "trust-domain": { type: "string", default: "cluster.local" },
      "trust-domain-alias": { type: "string", multiple: true, default: [] },
      "workload-cert-ttl": { type: "string", default: "24h" },
      "max-workload-cert-ttl": { type: "string", default: "2160h" },
      "outbound-traffic-policy": { type: "string", default: "ALLOW_ANY" },
      port: { type: "string", default: "15012" },
      "metrics-port": { type: "string", default: "15014" },
    },
  });
  if (values.config.length === 0) throw new UsageError("--config is missing: give the folder with the YAML files");
  return {
    configFolders: values.config,
    caDirectory: values["ca-directory"],
    jwksFile: required(values.jwks, "--jwks"),
    tokenIssuer: required(values["token-issuer"], "--token-issuer"),
    defaultLifetimeMs: parseDuration(values["workload-cert-ttl"], "--workload-cert-ttl"),
    maxLifetimeMs: parseDuration(values["max-workload-cert-ttl"], "--max-workload-cert-ttl"),
    port: parsePort(values.port, "--port"),
    metricsPort: parsePort(values["metrics-port"], "--metrics-port"),
    settings: {
      trustDomain: parseTrustDomain(values["trust-domain"]),
      trustDomainAliases: values["trust-domain-alias"].map(parseTrustDomain),
      rootNamespace: "istio-system",
      clusterDomain: "cluster.local",
      outboundTrafficPolicy: parseTrafficPolicy(values["outbound-traffic-policy"]),
      autoMtls: true,
    },
  };
}

function required(value: string | undefined, option: string): string {
  if (value === undefined || value === "") throw new UsageError(`${option} is missing`);
  return value;
}

function parseTrafficPolicy(text: string): MeshSettings["outboundTrafficPolicy"] {
  if (text === "ALLOW_ANY" || text === "REGISTRY_ONLY") return text;
  throw new UsageError(`--outbound-traffic-policy must be ALLOW_ANY or REGISTRY_ONLY, got "${text}"`);
}
