/** For the suite: the mesh's certificate authority, as its objects and `entente ca` show it. */
import { X509Certificate } from "node:crypto";
import { expect } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import type { AuthorityReport } from "../../../operator/ca/authority-report.ts";
import type { CertificatesReport } from "../../../operator/certificates/certificates-report.ts";
import { runEntente } from "./installation.ts";
import { getObjects, kubectl, runKubectl, SYSTEM } from "./kubectl-fixture.ts";

export const AUTHORITY_SECRET = "istio-ca-secret";

/** The data of an object, as far as it is text. */
export function dataOf(object: KubernetesObject | undefined): Readonly<Record<string, string>> {
  const data: unknown = object?.["data"];
  return JSON.parse(JSON.stringify(data ?? {}));
}

/** Throws if the mesh's authority is its operator's: it is not touched. */
export async function requireOwnAuthority(): Promise<void> {
  const existing = await runKubectl(["get", "secret", "cacerts", "-n", SYSTEM, "-o", "name"]);
  if (existing.status === 0) throw new Error("the mesh has an authority of its operator (Secret cacerts): not touched");
}

/** The Secret as it can be put back: what the API server adds is left out. */
export async function readAuthoritySecret(): Promise<KubernetesObject> {
  const [secret] = await getObjects("secret", AUTHORITY_SECRET, "-n", SYSTEM);
  if (secret === undefined) throw new Error(`there is no Secret ${SYSTEM}/${AUTHORITY_SECRET}`);
  const { apiVersion, kind, metadata } = secret;
  const { name, labels = {} } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: SYSTEM, labels },
    type: secret["type"],
    data: secret["data"],
  };
}

/** Puts all of the Secret back, as a restored backup of etcd does: `kubectl apply` would merge both. */
export async function replaceAuthoritySecret(secret: KubernetesObject): Promise<void> {
  await kubectl(["replace", "-f", "-"], { input: JSON.stringify(secret) });
}

/** The roots that the pods of a namespace mount, by SHA-256. */
export async function publishedRoots(namespace: string): Promise<readonly string[]> {
  const [configMap] = await getObjects("configmap", "istio-ca-root-cert", "-n", namespace);
  const pem = dataOf(configMap)["root-cert.pem"] ?? "";
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (text) => new X509Certificate(text).fingerprint256,
  );
}

/** What `entente ca status` prints, whether something needs attention or not. */
export async function readAuthorityStatus(): Promise<AuthorityReport> {
  const { stdout, stderr } = await runEntente("ca", "status", "-o", "json");
  if (stdout === "") throw new Error(`entente ca status failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** What `entente certs` prints about a pod, whether something needs attention or not. */
export async function readCertificates(namespace: string, pod: string): Promise<CertificatesReport> {
  const { stdout, stderr } = await runEntente("certs", pod, "-n", namespace, "-o", "json");
  if (stdout === "") throw new Error(`entente certs ${pod} failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** The pod of the control plane that takes the steps of a rotation. */
export async function rotationLeader(): Promise<string> {
  const [lease] = await getObjects("lease", "entente-root-rotation", "-n", SYSTEM);
  const { holderIdentity = "" }: { readonly holderIdentity?: string } = JSON.parse(JSON.stringify(lease?.["spec"]));
  // What follows names one process of the pod.
  return holderIdentity.split("_", 1).join();
}

/** Deletes the leader's pod, and waits until another one has taken its place. */
export async function replaceRotationLeader(timeoutMs: number): Promise<void> {
  const leader = await rotationLeader();
  await kubectl(["delete", "pod", leader, "-n", SYSTEM]);
  const isReplaced = async () => !["", leader].includes(await rotationLeader());
  await expect.poll(isReplaced, { timeout: timeoutMs, interval: 500 }).toBe(true);
}
