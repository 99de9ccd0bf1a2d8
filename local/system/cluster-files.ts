import type { FindFiles } from "../pods/volumes/pod-volumes.ts";
import { type Manifest, stringsOf } from "../read-manifests.ts";

/** The ConfigMaps and Secrets of the manifests, and the ConfigMap with the mesh's roots in every namespace. */
export function createFileFinder(manifests: readonly Manifest[], roots: () => Promise<string>): FindFiles {
  const found = new Map<string, Readonly<Record<string, string | Uint8Array>>>();
  for (const { kind, namespace, name, object } of manifests) {
    if (kind !== "ConfigMap" && kind !== "Secret") continue;
    const encoded = stringsOf(kind === "Secret" ? object["data"] : object["binaryData"]);
    const plain = stringsOf(kind === "Secret" ? object["stringData"] : object["data"]);
    const decoded = Object.entries(encoded).map(([key, text]): [string, Uint8Array] => [
      key,
      Buffer.from(text, "base64"),
    ]);
    found.set(`${kind}/${namespace}/${name}`, { ...Object.fromEntries(decoded), ...plain });
  }
  return async (namespace, kind, name) => {
    if (kind === "ConfigMap" && name === "istio-ca-root-cert") return { "root-cert.pem": await roots() };
    return found.get(`${kind}/${namespace}/${name}`);
  };
}

/** A Secret like `kubectl create secret tls` creates it. */
export function tlsSecret(namespace: string, name: string, pair: TlsPair): Manifest {
  const stringData = { "tls.crt": pair.certificateChainPem, "tls.key": pair.privateKeyPem };
  const object = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData };
  return { kind: "Secret", name, namespace, labels: {}, object, file: "created by this run" };
}

export interface TlsPair {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}
