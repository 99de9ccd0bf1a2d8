/** For the suite: the mesh's certificate authority, as its objects and `entente ca` show it. */
import { X509Certificate } from "node:crypto";
import { expect } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import type { AuthorityReport } from "../../../operator/ca/authority-report.ts";
import type { CertificatesReport } from "../../../operator/certificates/certificates-report.ts";
import { runEntente } from "./installation.ts";
import { killContainer } from "./kill-container-fixture.ts";
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

/** Where the rotation of the root stands, as it is stored. A phase may be shorter than the start of a command. */
export async function storedPhase(): Promise<string> {
  const record = dataOf(await readAuthoritySecret())["rotation.json"];
  return record === undefined ? "steady" : JSON.parse(Buffer.from(record, "base64").toString()).kind;
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

/** The process that takes the steps of a rotation: `POD_…`; empty while there is none. */
async function rotationLeader(): Promise<string> {
  const [lease] = await getObjects("lease", "entente-root-rotation", "-n", SYSTEM);
  const { holderIdentity = "" }: { readonly holderIdentity?: string } = JSON.parse(JSON.stringify(lease?.["spec"]));
  return holderIdentity;
}

/** Ends the leader's process, and waits until another one has taken its place. @param end gets the name of its pod */
async function replaceLeader(end: (pod: string) => Promise<unknown>, timeoutMs: number): Promise<void> {
  const leader = await rotationLeader();
  await end(leader.split("_", 1).join());
  const isReplaced = async () => !["", leader].includes(await rotationLeader());
  await expect.poll(isReplaced, { timeout: timeoutMs, interval: 500 }).toBe(true);
}

/** Deletes the leader's pod, whose process can end in order. */
export async function deleteRotationLeader(timeoutMs: number): Promise<void> {
  await replaceLeader((pod) => kubectl(["delete", "pod", pod, "-n", SYSTEM]), timeoutMs);
}

/** Kills the leader's process by SIGKILL. @param killerNamespace where a pod may share its node's processes */
export async function killRotationLeader(killerNamespace: string, timeoutMs: number): Promise<void> {
  const container = "control-plane";
  await replaceLeader((pod) => killContainer({ namespace: SYSTEM, pod, container }, killerNamespace), timeoutMs);
}
