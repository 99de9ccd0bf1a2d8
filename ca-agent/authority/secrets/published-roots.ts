import { CaError } from "../../ca-error.ts";
import { ROOT_CONFIG_MAP } from "../../trust-distribution/root-config-map.ts";
import { splitCertificates } from "../../x509/pem.ts";
import { rootKey } from "../decide-adoption.ts";

/** What a starting control plane found, and what pods mount as their roots at that moment. */
export interface StartingAuthority {
  readonly namespace: string;
  /** `Secret istio-system/cacerts`. */
  readonly from: string;
  /** PEM; undefined: there is no Secret yet, a new root would be created. */
  readonly roots: readonly string[] | undefined;
  /** The content of the root namespace's ConfigMap. */
  readonly publishedPem: string;
}

/**
 * A control plane must not start with an authority that no running workload trusts: a deleted Secret, or one of another
 * mesh, would cut all connections. The published ConfigMap outlives the Secret, so it shows whether that is the case.
 */
export function checkPublishedRoots({ namespace, from, roots, publishedPem }: StartingAuthority): void {
  const published = splitCertificates(publishedPem).flatMap(keyOf);
  if (published.length === 0) return;
  const known = new Set(roots?.map(rootKey));
  if (published.some((key) => known.has(key))) return;
  const configMap = `ConfigMap ${namespace}/${ROOT_CONFIG_MAP}`;
  const found = roots === undefined ? `${from} does not exist` : `${from} contains none of them`;
  const fix =
    roots === undefined
      ? "restore the Secret from a backup"
      : "add the published root to its root certificates, or restore the Secret that had it";
  throw new CaError(
    "authority_root_lost",
    `the mesh's workloads trust the roots in ${configMap}, but ${found}: ${fix}. To begin anew, with connections that fail ` +
      "until every workload has a new certificate, delete the ConfigMap",
  );
}

/** A certificate that cannot be read is no root: the ConfigMap is repaired later. */
function keyOf(pem: string): readonly string[] {
  try {
    return [rootKey(pem)];
  } catch {
    return [];
  }
}
