import { parseCaCertificates } from "../../control-plane/settings/ca-certificates.ts";
import { parseTrustDomain, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import {
  DEFAULT_MESH_SETTINGS,
  type ForeignAuthorities,
  type MeshSettings,
  parsePathNormalization,
  parseTrustedProxies,
} from "../../mesh/mesh-settings.ts";
import { fieldOf, type PlainValue } from "../../mesh/resources/parsing/plain-value.ts";
import { parseYamlDocuments } from "../../mesh/resources/parsing/yaml-document.ts";

/**
 * The settings of Istio's MeshConfig, the key `mesh` of the ConfigMap `istio`. What is absent or cannot be read has its
 * default: a report about the rest is still useful.
 */
export function meshSettingsFrom(text: string, rootNamespace: string): MeshSettings {
  const [document] = parseYamlDocuments(text);
  const mesh = document?.content.kind === "value" ? document.content.value : null;
  const trustDomain = parseTrustDomain(textOf(fieldOf(mesh, "trustDomain")) ?? DEFAULT_MESH_SETTINGS.trustDomain);
  const aliases = fieldOf(mesh, "trustDomainAliases");
  const trustDomainAliases = (Array.isArray(aliases) ? aliases : []).flatMap((alias) => {
    const known = textOf(alias);
    return known === undefined ? [] : [parseTrustDomain(known)];
  });
  const mode = fieldOf(fieldOf(mesh, "outboundTrafficPolicy"), "mode");
  const policy = fieldOf(mesh, "h2UpgradePolicy");
  return {
    ...DEFAULT_MESH_SETTINGS,
    ...{ trustDomain, trustDomainAliases },
    caCertificates: readCaCertificates(fieldOf(mesh, "caCertificates"), [trustDomain, ...trustDomainAliases]),
    rootNamespace: textOf(fieldOf(mesh, "rootNamespace")) ?? rootNamespace,
    outboundTrafficPolicy: mode === "REGISTRY_ONLY" ? "REGISTRY_ONLY" : "ALLOW_ANY",
    autoMtls: fieldOf(mesh, "enableAutoMtls") !== false,
    h2UpgradePolicy: policy === "UPGRADE" || policy === "DO_NOT_UPGRADE" ? policy : "DEFAULT",
    pathNormalization:
      parsePathNormalization(fieldOf(fieldOf(mesh, "pathNormalization"), "normalization")) ??
      DEFAULT_MESH_SETTINGS.pathNormalization,
    numTrustedProxies:
      parseTrustedProxies(fieldOf(fieldOf(fieldOf(mesh, "defaultConfig"), "gatewayTopology"), "numTrustedProxies")) ??
      DEFAULT_MESH_SETTINGS.numTrustedProxies,
  };
}

function readCaCertificates(
  value: PlainValue | undefined,
  ownDomains: readonly TrustDomain[],
): readonly ForeignAuthorities[] {
  try {
    return parseCaCertificates(value ?? [], ownDomains);
  } catch {
    return [];
  }
}

function textOf(value: PlainValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
