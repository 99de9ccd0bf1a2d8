import { X509Certificate } from "node:crypto";
import {
  ROOT_CONFIG_MAP,
  readPublishedRoots as readRootConfigMap,
} from "../../ca-agent/trust-distribution/root-config-map.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { ADMIN_PORT, type PodPages, readJsonPage } from "../pod-pages.ts";
import { type CertificatesPage, validateCertificatesPage } from "./certificates-page.ts";

/** Reads the page `/certs` of a pod's proxy. */
export async function readCertificatesPage(
  pages: PodPages,
  pod: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<CertificatesPage> {
  return validateCertificatesPage(await readJsonPage(pages, { pod, port: ADMIN_PORT, path: "/certs", signal }));
}

/** The SHA-256 of the roots that a namespace's pods are given; undefined if there is no such ConfigMap. */
export async function readPublishedRoots(
  api: KubernetesApi,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const configMap = await api.get(KINDS.configMaps, { namespace, name: ROOT_CONFIG_MAP }, { signal });
  const pem = readRootConfigMap(configMap);
  return pem === "" ? undefined : certificatesIn(pem).map(({ fingerprint256 }) => fingerprint256);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text; one that cannot be read is left out. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return [...pem.matchAll(CERTIFICATE)].flatMap(([block]) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}
