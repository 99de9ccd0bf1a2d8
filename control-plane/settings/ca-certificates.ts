import { fileURLToPath } from "node:url";
import { parseTrustDomain, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import { isPlainObject, type PlainObject, type PlainValue } from "../../mesh/resources/parsing/plain-value.ts";
import { parseForeignRoots } from "../federation/foreign-root.ts";

/** Far more meshes than anybody federates with; bounds what every proxy holds. */
const MAX_DOMAINS = 32;
/** Two for each domain, as while it moves from a list to an endpoint. */
const MAX_ENTRIES = 64;
const MAX_URL_LENGTH = 2048;
const FIELDS = ["pem", "spiffeBundleUrl", "trustDomains"] as const;
/** In policies it means the mesh's own domain, whatever that is, as in Istio. */
const DEFAULT_DOMAIN = "cluster.local";

/**
 * Parses Istio's `caCertificates`. Nothing in it may concern the mesh's own domains: their authorities are those of the
 * certificate authority alone. Throws an Error with field and fix.
 * @param ownDomains the mesh's trust domain and its aliases.
 */
export function parseCaCertificates(
  value: PlainValue,
  ownDomains: readonly TrustDomain[],
): readonly ForeignAuthorities[] {
  if (!Array.isArray(value)) throw new Error(`caCertificates: it must be a list, got ${describe(value)}`);
  if (value.length > MAX_ENTRIES) {
    throw new Error(`caCertificates: it has ${value.length} entries; at most ${MAX_ENTRIES} are accepted`);
  }
  const entries = value.map((entry: PlainValue, index) => parseEntry(entry, `caCertificates[${index}]`, ownDomains));
  const domains = new Set(entries.flatMap(({ trustDomains }) => trustDomains));
  if (domains.size > MAX_DOMAINS) {
    throw new Error(`caCertificates: it has ${domains.size} trust domains; at most ${MAX_DOMAINS} are accepted`);
  }
  return entries;
}

function parseEntry(entry: PlainValue, path: string, ownDomains: readonly TrustDomain[]): ForeignAuthorities {
  if (!isPlainObject(entry)) throw new Error(`${path}: it must be a mapping with pem or spiffeBundleUrl`);
  refuseOtherFields(entry, path);
  const trustDomains = parseDomains(entry["trustDomains"], `${path}.trustDomains`, ownDomains);
  const { pem, spiffeBundleUrl: url } = entry;
  const isGiven = (field: PlainValue | undefined): boolean => field !== undefined && field !== null;
  if (isGiven(pem) === isGiven(url)) throw new Error(`${path}: it must have either pem or spiffeBundleUrl`);
  return isGiven(pem)
    ? { kind: "pem", trustDomains, roots: at(`${path}.pem`, () => parseForeignRoots(textOf(pem))) }
    : { trustDomains, ...at(`${path}.spiffeBundleUrl`, () => parseUrl(textOf(url))) };
}

function refuseOtherFields(entry: PlainObject, path: string): void {
  const { certSigners } = entry;
  if (certSigners !== undefined && certSigners !== null) {
    const fix = "leave it out, certificates of Kubernetes' signers are not used here";
    throw new Error(`${path}.certSigners: it is not supported: ${fix}`);
  }
  const known: readonly string[] = [...FIELDS, "certSigners"];
  const [other] = Object.keys(entry).filter((field) => !known.includes(field));
  if (other !== undefined) throw new Error(`${path}.${other}: it is unknown; the fields are ${FIELDS.join(", ")}`);
}

const OWN_ROOTS = "the mesh's own roots are those of its authority: add them to root-cert.pem of the Secret cacerts";

function parseDomains(
  value: PlainValue | undefined,
  path: string,
  ownDomains: readonly TrustDomain[],
): readonly TrustDomain[] {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) {
    throw new Error(`${path}: it is missing: name the foreign trust domains; ${OWN_ROOTS}`);
  }
  if (!Array.isArray(value)) throw new Error(`${path}: it must be a list, got ${describe(value)}`);
  const domains = value.map((item: PlainValue, index) =>
    at(`${path}[${index}]`, () => refuseOwn(parseTrustDomain(textOf(item)), ownDomains)),
  );
  return [...new Set(domains)];
}

function refuseOwn(domain: TrustDomain, ownDomains: readonly TrustDomain[]): TrustDomain {
  if (ownDomains.includes(domain)) {
    throw new Error(`${domain} is a trust domain of this mesh; ${OWN_ROOTS}`);
  }
  if (domain === DEFAULT_DOMAIN) {
    const fix = "give the other mesh a trust domain of its own, with cluster.local as its alias";
    throw new Error(`policies use ${domain} for this mesh's own trust domain: ${fix}`);
  }
  return domain;
}

type Source =
  | { readonly kind: "bundle endpoint"; readonly url: string }
  | { readonly kind: "bundle file"; readonly path: string };

/** An endpoint (SPIFFE Federation, section 5.2.1.1), or a file at the control plane, which Istio does not know. */
function parseUrl(text: string): Source {
  const url = URL.parse(text);
  if (url === null || text.length > MAX_URL_LENGTH) throw new Error(`it must be a URL, got ${describe(text)}`);
  if (url.protocol === "file:") return { kind: "bundle file", path: parseFilePath(url) };
  if (url.protocol !== "https:") {
    throw new Error(`it must begin with https:// or file:///, got ${describe(url.protocol)}`);
  }
  if (url.username !== "" || url.password !== "") throw new Error("it must not contain a user or a password");
  return { kind: "bundle endpoint", url: url.href };
}

function parseFilePath(url: URL): string {
  if (url.host !== "" || url.search !== "" || url.hash !== "") {
    throw new Error(
      `it must name a file of the control plane's machine, file:///FOLDER/FILE, got ${describe(url.href)}`,
    );
  }
  return fileURLToPath(url);
}

function textOf(value: PlainValue | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`it must be a text, got ${describe(value)}`);
}

function at<Value>(path: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (cause) {
    throw new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function describe(value: PlainValue | undefined): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
