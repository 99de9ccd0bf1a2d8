import { generateKeyPairSync } from "node:crypto";
import type { PodTag } from "../../mesh/identity/pod-tag.ts";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import {
  type CertificateTemplate,
  createSerialNumber,
  createWorkloadSerial,
  formatName,
  type RandomBytes,
  signCertificate,
  signCertificateSync,
} from "../x509/certificate.ts";
import { type AlternativeName, formatLeafExtensions, type LeafExtensionsInput } from "../x509/extensions.ts";
import { formatPublicKey } from "../x509/public-key.ts";
import { BACKDATE_MS } from "./self-signed-root.ts";
import type { SigningMaterial } from "./signing-material.ts";

/** Signs the mesh's certificates. */
export interface Authority {
  /**
   * Signs the public key of a request for an identity; everything else in the request is ignored. The certificate
   * expires no later than the authority. Throws a CaError for an unacceptable request.
   * @returns PEM, each with a final newline: the leaf, the intermediates, and the complete root bundle at the end.
   */
  signWorkload(request: WorkloadRequest): Promise<readonly string[]>;
  /** Creates a new key and certificate for one of the control plane's own servers. */
  signServing(request: ServingRequest): ServingPair;
  /** The trusted roots, one PEM certificate each. */
  roots(): readonly string[];
  /** The one of them to which new certificates lead. */
  signingRoot(): string;
  /** Calls the listener after each change of the roots or of the signing certificate. Returns a function that unsubscribes. */
  subscribe(listener: () => void): () => void;
  expiry(): AuthorityExpiry;
}

export interface WorkloadRequest {
  /** PKCS#10, PEM. */
  readonly csrPem: string;
  /** The authenticated caller. */
  readonly identity: SpiffeId;
  /** Of its pod: the serial number has it. @default a random one, for a caller without a pod */
  readonly podTag?: PodTag | undefined;
  readonly lifetimeMs: number;
}

export interface ServingRequest {
  readonly dnsNames: readonly string[];
  readonly lifetimeMs: number;
}

export interface ServingPair {
  /** Leaf first, without the root. */
  readonly certificateChainPem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  readonly notAfterMs: number;
}

/** Epoch milliseconds. */
export interface AuthorityExpiry {
  readonly rootNotAfterMs: number;
  /** The earliest expiry among the signing certificate and its issuers. */
  readonly chainNotAfterMs: number;
}

const DNS_NAME = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const MAX_DNS_NAME_BYTES = 253;

/** The key material that an authority signs with. */
export interface Signer {
  readonly material: SigningMaterial;
  /** The trusted roots. They may be more than the material's own while the authority changes. */
  readonly roots: readonly string[];
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
}

/** A workload's key that passed all checks. */
export interface WorkloadKey {
  /** SubjectPublicKeyInfo, in DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly identity: SpiffeId;
  readonly podTag?: PodTag | undefined;
  readonly lifetimeMs: number;
}

/** The signing part of `Authority.signWorkload`. */
export async function signWorkloadKey(signer: Signer, workload: WorkloadKey): Promise<readonly string[]> {
  const { publicKeyInfo, identity, podTag, lifetimeMs } = workload;
  const names: readonly AlternativeName[] = [{ kind: "uri", value: identity }];
  const serialNumber = createWorkloadSerial(signer.randomBytes, podTag);
  const template = formatLeaf(signer, { serialNumber, publicKeyInfo, names, usages: ["server", "client"], lifetimeMs });
  const leaf = await signCertificate(template, signer.material.key);
  return [leaf, ...signer.material.intermediates, signer.roots.join("")];
}

/** The signing part of `Authority.signServing`. */
export function signServing(signer: Signer, { dnsNames, lifetimeMs }: ServingRequest): ServingPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  // No URI SAN and no client usage, so it can never be accepted as a workload's certificate.
  const names = dnsNames.map((name): AlternativeName => ({ kind: "dns", value: parseDnsName(name) }));
  if (names.length === 0) throw new CaError("dns_name", "a server certificate needs at least one DNS name");
  const template = formatLeaf(signer, {
    serialNumber: createSerialNumber(signer.randomBytes),
    publicKeyInfo: formatPublicKey(publicKey),
    names,
    usages: ["server"],
    lifetimeMs,
  });
  const leaf = signCertificateSync(template, signer.material.key);
  return {
    certificateChainPem: [leaf, ...signer.material.intermediates].join(""),
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfterMs: template.notAfterMs,
  };
}

interface LeafInput {
  readonly serialNumber: Uint8Array;
  readonly publicKeyInfo: Uint8Array;
  readonly names: readonly AlternativeName[];
  readonly usages: LeafExtensionsInput["usages"];
  readonly lifetimeMs: number;
}

function formatLeaf({ material, clock }: Signer, leaf: LeafInput): CertificateTemplate {
  const nowMs = clock.now();
  if (!(nowMs < material.notAfterMs)) {
    throw new CaError(
      "authority_expired",
      `the authority's certificate expired at ${new Date(material.notAfterMs).toISOString()}, ` +
        `and it is now ${new Date(nowMs).toISOString()}: renew it; until then nothing can be signed`,
    );
  }
  const { serialNumber, publicKeyInfo, usages, names } = leaf;
  return {
    serialNumber,
    issuerName: material.name,
    subjectName: formatName(),
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: Math.floor(Math.min(nowMs + leaf.lifetimeMs, material.notAfterMs) / 1000) * 1000,
    publicKeyInfo,
    extensions: formatLeafExtensions({ publicKeyInfo, usages, names, issuerKeyIdentifier: material.keyIdentifier }),
  };
}

function parseDnsName(name: string): string {
  if (name.length > MAX_DNS_NAME_BYTES || !DNS_NAME.test(name)) {
    throw new CaError("dns_name", `${JSON.stringify(name)} is not a valid DNS name for a server certificate`);
  }
  return name;
}
