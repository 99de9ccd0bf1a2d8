/** For the suite: what operators change of the mesh's certificate authority, in its Secrets. */
import { createPrivateKey, createPublicKey, randomBytes, X509Certificate } from "node:crypto";
import { createSerialNumber, signCertificateSync } from "../../../ca-agent/x509/certificate.ts";
import { formatRootExtensions } from "../../../ca-agent/x509/extensions.ts";
import { formatPublicKey } from "../../../ca-agent/x509/public-key.ts";
import { readSubjectName } from "../../../ca-agent/x509/subject-name.ts";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import type { MintedCertificate } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { dataOf, readAuthoritySecret } from "./authority-fixture.ts";
import { apply, kubectl, SYSTEM } from "./kubectl-fixture.ts";

/** Puts all of the Secret back, as a restored backup of etcd does: `kubectl apply` would merge both. */
export async function replaceAuthoritySecret(secret: KubernetesObject): Promise<void> {
  await kubectl(["replace", "-f", "-"], { input: JSON.stringify(secret) });
}

/** The root that the mesh has made for itself, with its key. */
export async function ownRoot(): Promise<MintedCertificate> {
  const data = dataOf(await readAuthoritySecret());
  const [pem, keyPem] = ["ca-cert.pem", "ca-key.pem"].map((name) => Buffer.from(data[name] ?? "", "base64").toString());
  if (pem === undefined || keyPem === undefined) throw new Error("the mesh's own root is not complete");
  return { pem, keyPem, certificate: new X509Certificate(pem), key: createPrivateKey(keyPem) };
}

/** An operator's authority, PEM. */
export interface PluggedInAuthority {
  readonly certificate: string;
  readonly key: string;
  readonly roots: readonly string[];
  /** Revocation lists, Istio's `ca-crl.pem`. @default none */
  readonly lists?: string;
}

/** Writes the Secret `cacerts`. */
export async function plugIn({ certificate, key, roots, lists }: PluggedInAuthority): Promise<void> {
  const data = encode({
    "ca-cert.pem": certificate,
    "ca-key.pem": key,
    "root-cert.pem": roots.join(""),
    "cert-chain.pem": certificate,
    ...(lists !== undefined && { "ca-crl.pem": lists }),
  });
  await apply([{ apiVersion: "v1", kind: "Secret", metadata: { name: "cacerts", namespace: SYSTEM }, data }]);
}

/** Takes the Secret `cacerts` away: the mesh's own authority is in force again. */
export async function unplug(): Promise<void> {
  await kubectl(["delete", "secret", "cacerts", "-n", SYSTEM, "--ignore-not-found"]);
}

/**
 * Issues the mesh's own root again, with the same name and key and less than a fifth of its life left. No rotation may have
 * been before, whose record names the certificate.
 */
export async function ageOwnRoot(): Promise<void> {
  const secret = await readAuthoritySecret();
  const { certificate, key } = await ownRoot();
  const name = readSubjectName(certificate.raw);
  const publicKeyInfo = formatPublicKey(createPublicKey(key));
  const template = {
    serialNumber: createSerialNumber(randomBytes),
    ...{ issuerName: name, subjectName: name, publicKeyInfo },
    notBeforeMs: certificate.validFromDate.getTime() - LIFE_MS,
    notAfterMs: Date.now() + LIFE_MS / 10,
    extensions: formatRootExtensions(publicKeyInfo),
  };
  const pem = signCertificateSync(template, key);
  const data = { ...dataOf(secret), ...encode({ "ca-cert.pem": pem, "root-cert.pem": pem }) };
  await replaceAuthoritySecret({ ...secret, data });
}

const LIFE_MS = 10 * 86_400_000;

function encode(texts: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString("base64")]));
}
