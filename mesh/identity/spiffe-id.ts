import { IdentityError } from "./identity-error.ts";

/** A trust domain such as `cluster.local`. Only `parseTrustDomain` creates it. */
export type TrustDomain = string & { readonly __brand: "TrustDomain" };

/** A workload's identity, `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`. Only this file creates it. */
export type SpiffeId = string & { readonly __brand: "SpiffeId" };

/** The parts of a SPIFFE id. */
export interface SpiffeIdParts {
  readonly trustDomain: TrustDomain;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = "spiffe://";
/** SPIFFE-ID, section 2.3: at most 2048 bytes in total, 255 for the trust domain. */
const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
/** Kubernetes namespaces are DNS labels (RFC 1123), service accounts DNS subdomains. */
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_SUBDOMAIN_BYTES = 253;

/**
 * Parses a trust domain. Upper case is refused instead of folded, so that two spellings never mean one domain
 * (SPIFFE-ID, section 2.1).
 */
export function parseTrustDomain(text: string): TrustDomain {
  if (text.length === 0 || text.length > MAX_TRUST_DOMAIN_BYTES || !TRUST_DOMAIN.test(text)) {
    throw new IdentityError(
      "trust_domain",
      `${quote(text)} is not a trust domain: use 1 to ${MAX_TRUST_DOMAIN_BYTES} of a-z, 0-9, ".", "-", "_"`,
    );
  }
  return text as TrustDomain;
}

/**
 * Parses a workload's SPIFFE id: exactly five path parts in Istio's form, compared byte by byte. Percent-encoding,
 * ports, queries, a trailing slash and everything else that could give one identity two spellings are refused.
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (text.length > MAX_ID_BYTES || !text.startsWith(SCHEME)) throw notASpiffeId(text, `it must start with ${SCHEME}`);
  const parts = text.slice(SCHEME.length).split("/");
  const [domain = "", ns, namespace = "", sa, serviceAccount = ""] = parts;
  if (parts.length !== 5 || ns !== "ns" || sa !== "sa") {
    throw notASpiffeId(text, "use spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT");
  }
  return formatSpiffeId({ trustDomain: parseTrustDomain(domain), namespace, serviceAccount });
}

/** Formats a SPIFFE id. Refuses parts that `parseSpiffeId` would not parse to the same value. */
export function formatSpiffeId(parts: SpiffeIdParts): SpiffeId {
  const text = `${SCHEME}${parts.trustDomain}/ns/${parts.namespace}/sa/${parts.serviceAccount}`;
  if (!DNS_LABEL.test(parts.namespace)) throw notASpiffeId(text, "its namespace must be a DNS label (RFC 1123)");
  if (!isServiceAccountName(parts.serviceAccount)) {
    throw notASpiffeId(text, "its service account must be a DNS subdomain (RFC 1123)");
  }
  return text as SpiffeId;
}

/** The parts of an id. Cannot fail: the id was validated when it was created. */
export function spiffeIdParts(id: SpiffeId): SpiffeIdParts {
  const [domain = "", , namespace = "", , serviceAccount = ""] = id.slice(SCHEME.length).split("/");
  return { trustDomain: parseTrustDomain(domain), namespace, serviceAccount };
}

/** Whether a text is a valid service account name in an id: a DNS subdomain (RFC 1123). */
export function isServiceAccountName(text: string): boolean {
  return text.length <= MAX_SUBDOMAIN_BYTES && text.split(".").every((label) => DNS_LABEL.test(label));
}

function notASpiffeId(text: string, fix: string): IdentityError {
  return new IdentityError("spiffe_id", `${quote(text)} is not a workload's SPIFFE id: ${fix}`);
}

/** Input text in a message: escaped, so that it cannot forge a log line, and truncated. */
function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
