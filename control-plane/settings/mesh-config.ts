import { readFile } from "node:fs/promises";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type MeshSettings, parsePathNormalization, parseTrustedProxies } from "../../mesh/mesh-settings.ts";
import { fieldOf, isPlainObject, type PlainObject, type PlainValue } from "../../mesh/resources/parsing/plain-value.ts";
import { MAX_FILE_BYTES, parseYamlDocuments } from "../../mesh/resources/parsing/yaml-document.ts";
import { ControlPlaneError } from "../control-plane-error.ts";
import { parseCaCertificates } from "./ca-certificates.ts";

/** What the control plane reads of Istio's MeshConfig. */
export interface MeshConfig {
  readonly settings: MeshSettings;
  /** The host under which sidecars call the control plane, if it says so. */
  readonly discoveryHost: string | undefined;
  /** The fields that neither the control plane nor the injector reads. */
  readonly unsupported: readonly string[];
}

/** Those of the injector are read, and reported on, by the injector. */
const READ_FIELDS: ReadonlySet<string> = new Set([
  "trustDomain",
  "trustDomainAliases",
  "caCertificates",
  "rootNamespace",
  "outboundTrafficPolicy",
  "enableAutoMtls",
  "h2UpgradePolicy",
  "pathNormalization",
  "accessLogFile",
  "enablePrometheusMerge",
  "defaultConfig",
]);

/** Reads the key `mesh` of the ConfigMap `istio`, mounted as a file. Throws a ControlPlaneError. */
export async function readMeshConfigFile(file: string, defaults: MeshSettings): Promise<MeshConfig> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw invalid(file, `it cannot be read: ${messageOf(cause)}`, cause);
  });
  if (text.length > MAX_FILE_BYTES) throw invalid(file, `it has more than ${MAX_FILE_BYTES} bytes`);
  try {
    return parseMeshConfig(text, defaults);
  } catch (caught) {
    throw invalid(file, messageOf(caught), caught);
  }
}

/** Absent fields keep their defaults. A field that cannot be used is an error: no mesh starts with other settings. */
export function parseMeshConfig(text: string, defaults: MeshSettings): MeshConfig {
  const [document, ...others] = parseYamlDocuments(text);
  if (others.length > 0) throw new Error("it contains more than one YAML document");
  if (document?.content.kind === "malformed") throw new Error(document.content.faults[0]?.message ?? "it is not YAML");
  const mesh = document?.content.value ?? {};
  if (!isPlainObject(mesh)) throw new Error("it is not a mapping");
  const proxyConfig = read(mesh, "defaultConfig", (value) => value);
  const trustDomain = read(mesh, "trustDomain", (value) => parseTrustDomain(parseText(value))) ?? defaults.trustDomain;
  const trustDomainAliases = read(mesh, "trustDomainAliases", parseDomains) ?? defaults.trustDomainAliases;
  return {
    settings: {
      ...defaults,
      ...{ trustDomain, trustDomainAliases },
      caCertificates: parseCaCertificates(fieldOf(mesh, "caCertificates") ?? [], [trustDomain, ...trustDomainAliases]),
      rootNamespace: read(mesh, "rootNamespace", parseText) ?? defaults.rootNamespace,
      outboundTrafficPolicy:
        read(mesh, "outboundTrafficPolicy", (value) => read(value, "mode", parseTrafficPolicy)) ??
        defaults.outboundTrafficPolicy,
      autoMtls: read(mesh, "enableAutoMtls", parseBoolean) ?? defaults.autoMtls,
      h2UpgradePolicy: read(mesh, "h2UpgradePolicy", parseUpgradePolicy) ?? defaults.h2UpgradePolicy,
      pathNormalization:
        read(mesh, "pathNormalization", (value) => read(value, "normalization", readNormalization)) ??
        defaults.pathNormalization,
      numTrustedProxies:
        read(proxyConfig, "gatewayTopology", (value) => read(value, "numTrustedProxies", readTrustedProxies)) ??
        defaults.numTrustedProxies,
    },
    discoveryHost: read(proxyConfig, "discoveryAddress", parseHost),
    unsupported: findUnsupported(mesh),
  };
}

function findUnsupported(mesh: PlainObject): readonly string[] {
  return [
    ...Object.keys(mesh).filter((field) => !READ_FIELDS.has(field)),
    ...findOtherFields(mesh, "outboundTrafficPolicy", "mode"),
    ...findOtherFields(mesh, "pathNormalization", "normalization"),
  ];
}

/** The fields of a part of which one alone is read. */
function findOtherFields(mesh: PlainObject, part: string, read_: string): readonly string[] {
  const value = fieldOf(mesh, part);
  if (!isPlainObject(value)) return [];
  return Object.keys(value).flatMap((field) => (field === read_ ? [] : [`${part}.${field}`]));
}

function read<Value>(
  value: PlainValue | undefined,
  field: string,
  parse: (value: PlainValue) => Value,
): Value | undefined {
  if (value !== undefined && !isPlainObject(value)) throw new Error(`it must be a mapping with ${field}`);
  const found = fieldOf(value, field);
  if (found === undefined || found === null) return undefined;
  try {
    return parse(found);
  } catch (caught) {
    throw new Error(`${field}: ${messageOf(caught)}`, { cause: caught });
  }
}

function parseText(value: PlainValue): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`it must be a text, got ${JSON.stringify(value)}`);
}

function parseBoolean(value: PlainValue): boolean {
  if (typeof value === "boolean") return value;
  throw new Error(`it must be true or false, got ${JSON.stringify(value)}`);
}

function parseDomains(value: PlainValue): MeshSettings["trustDomainAliases"] {
  if (!Array.isArray(value)) throw new Error(`it must be a list, got ${JSON.stringify(value)}`);
  return value.map((domain) => parseTrustDomain(parseText(domain)));
}

function parseTrafficPolicy(value: PlainValue): MeshSettings["outboundTrafficPolicy"] {
  if (value === "ALLOW_ANY" || value === "REGISTRY_ONLY") return value;
  throw new Error(`it must be ALLOW_ANY or REGISTRY_ONLY, got ${JSON.stringify(value)}`);
}

function parseUpgradePolicy(value: PlainValue): MeshSettings["h2UpgradePolicy"] {
  if (value === "DO_NOT_UPGRADE" || value === "UPGRADE") return value;
  throw new Error(`it must be DO_NOT_UPGRADE or UPGRADE, got ${JSON.stringify(value)}`);
}

function readNormalization(value: PlainValue): MeshSettings["pathNormalization"] {
  const found = parsePathNormalization(value);
  if (found !== undefined) return found;
  throw new Error(
    `it must be DEFAULT, NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES, got ${JSON.stringify(value)}`,
  );
}

function readTrustedProxies(value: PlainValue): number {
  const found = parseTrustedProxies(value);
  if (found !== undefined) return found;
  throw new Error(`it must be a number of proxies, 0 or more, got ${JSON.stringify(value)}`);
}

/** The host of `istiod.istio-system.svc:15012`. */
function parseHost(value: PlainValue): string {
  const [, host] = /^([a-z0-9.-]+):\d{1,5}$/.exec(parseText(value)) ?? [];
  if (host === undefined) throw new Error(`it must be HOST:PORT, got ${JSON.stringify(value)}`);
  return host;
}

function invalid(file: string, message: string, cause: unknown = undefined): ControlPlaneError {
  return new ControlPlaneError("invalid_mesh_config", `the mesh configuration ${file}: ${message}`, { cause });
}

function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}
