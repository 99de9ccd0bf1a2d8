import { BACKDATE_MS } from "../../ca-agent/authority/self-signed-root.ts";
import type { CertificatesPage } from "./certificates-page.ts";

/** The certificates of a pod's proxy, and what is wrong with them. */
export interface CertificatesReport {
  /** `NAME.NAMESPACE`. */
  readonly pod: string;
  /** Absent: the proxy has no valid certificate. */
  readonly identity?: string;
  /** Incremented with every renewal. */
  readonly generation?: number;
  readonly trustDomains: readonly string[];
  /** The pod's own certificate first, then those between it and a root. */
  readonly chain: readonly CertificateFacts[];
  readonly roots: readonly CertificateFacts[];
  /** Foreign trust domains, each with the roots that are trusted for it alone. */
  readonly federated: readonly { readonly trustDomain: string; readonly roots: readonly CertificateFacts[] }[];
  /** Certificates and identities that the proxy refuses. */
  readonly revocations: number;
  readonly problems: readonly string[];
}

export interface CertificateFacts {
  /** URI names, or the subject of a root. */
  readonly names: readonly string[];
  readonly serialNumber: string;
  /** `EC prime256v1`; absent for roots. */
  readonly key?: string;
  /** ISO 8601; empty if the proxy did not say. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly sha256: string;
}

export interface CertificatesInput {
  readonly pod: string;
  readonly page: CertificatesPage;
  /** The identities that the pod may have. */
  readonly expected: readonly string[];
  /** SHA-256 of the mesh's roots, as in the ConfigMap of the pod's namespace; undefined if it cannot be read. */
  readonly publishedRoots: readonly string[] | undefined;
  readonly nowMs: number;
}

/** Judges the page of a proxy. */
export function createCertificatesReport({ pod, page, ...input }: CertificatesInput): CertificatesReport {
  if (page.state === "none") {
    const problems = ["the proxy has no valid certificate: it serves nothing; its log has the reason"];
    return { pod, trustDomains: [], chain: [], roots: [], federated: [], revocations: 0, problems };
  }
  const { identity, generation, trust_domains: trustDomains, revocations } = page;
  return {
    pod,
    identity,
    generation,
    trustDomains,
    chain: page.chain.map(({ subject_ids: names, serial_number: serialNumber, key, sha256, ...times }) => ({
      ...{ names, serialNumber, key, sha256 },
      ...timesOf(times),
    })),
    roots: page.roots.map(factsOfRoot),
    federated: page.federated.map(({ trust_domain: trustDomain, roots: foreign }) => ({
      trustDomain,
      roots: foreign.map(factsOfRoot),
    })),
    revocations,
    problems: [
      ...findIdentityProblems(page, input),
      ...findTimeProblems(page, input),
      ...findRootProblems(page, input),
    ],
  };
}

type ActivePage = Extract<CertificatesPage, { state: "active" }>;
type Expectation = Omit<CertificatesInput, "pod" | "page">;

function factsOfRoot(root: ActivePage["roots"][number]): CertificateFacts {
  const { subject, serial_number: serialNumber, sha256, ...times } = root;
  return { names: [subject], serialNumber, sha256, ...timesOf(times) };
}

function timesOf({ not_before: notBefore, not_after: notAfter }: { not_before: string; not_after: string }) {
  return { notBefore, notAfter };
}

function findIdentityProblems({ identity }: ActivePage, { expected }: Expectation): readonly string[] {
  if (expected.length === 0 || expected.includes(identity)) return [];
  return [`the certificate is for ${identity}; the pod's service account is ${expected.join(" or ")}: restart the pod`];
}

/**
 * A certificate is renewed at half of its life: one that is older has missed its renewal. The life is that from receipt, as
 * far as it can be told: Entente's authority backdates certificates, others less.
 */
function findTimeProblems({ chain, roots }: ActivePage, { nowMs }: Expectation): readonly string[] {
  const expired = [...chain, ...roots]
    .filter(({ not_after }) => Date.parse(not_after) <= nowMs)
    .map(({ serial_number, not_after }) => `the certificate ${serial_number} expired at ${not_after}`);
  const [leaf] = chain;
  if (leaf === undefined || expired.length > 0) return expired;
  const end = Date.parse(leaf.not_after);
  const validMs = end - Date.parse(leaf.not_before);
  const lifeMs = validMs > BACKDATE_MS ? validMs - BACKDATE_MS : validMs;
  const isLate = end - nowMs < lifeMs * (1 - RENEWAL_LIMIT);
  return isLate
    ? [`the certificate should have been renewed by now (valid until ${leaf.not_after}): see the proxy's log`]
    : [];
}

/** Half of the life, 10 % of jitter, and time for a control plane that was away. */
const RENEWAL_LIMIT = 0.7;

function findRootProblems({ roots }: ActivePage, { publishedRoots }: Expectation): readonly string[] {
  if (publishedRoots === undefined) return [];
  const known = roots.map(({ sha256 }) => sha256);
  const missing = publishedRoots.filter((sha256) => !known.includes(sha256));
  const foreign = known.filter((sha256) => !publishedRoots.includes(sha256));
  return [
    ...missing.map((sha256) => `the proxy does not trust the root ${sha256} of ConfigMap istio-ca-root-cert`),
    ...foreign.map((sha256) => `the proxy trusts the root ${sha256}, which ConfigMap istio-ca-root-cert does not have`),
  ];
}
