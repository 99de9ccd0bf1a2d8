import { splitCertificates } from "../../../mesh/identity/pem-certificates.ts";
import { CaError } from "../../ca-error.ts";
import { fingerprintOf } from "../../rotation/rotation-state.ts";
import { ROOT_CONFIG_MAP } from "../../trust-distribution/root-config-map.ts";
import type { RotationMark } from "../authority-files.ts";
import { rootKey } from "../decide-adoption.ts";

/** What a starting control plane found, and what pods mount as their roots at that moment. */
export interface StartingAuthority {
  readonly namespace: string;
  /** `Secret istio-system/cacerts`. */
  readonly from: string;
  /** PEM; undefined: there is no Secret yet, a new root would be created. */
  readonly roots: readonly string[] | undefined;
  /** The one of them that signs, PEM. */
  readonly signingRoot?: string;
  /** Of the mesh's own root. */
  readonly rotation?: RotationMark | undefined;
  /** The content of the root namespace's ConfigMap. */
  readonly publishedPem: string;
}

/**
 * A control plane must not start with an authority that no running workload trusts: a deleted Secret, or one of another
 * mesh, would cut all connections. The published ConfigMap outlives the Secret, so it shows whether that is the case. The
 * mesh's own root is compared exactly: where a published root is missing, and has not left by a rotation, the Secret is
 * older than the mesh, and workloads have certificates of the missing root. Of an operator's own, a root may have been removed
 * while nothing ran, unless the one that signs is new: then all certificates lead to the others, as a running one judges it.
 */
export function checkPublishedRoots(starting: StartingAuthority): void {
  const { namespace, from, roots, signingRoot, rotation, publishedPem } = starting;
  const published = splitCertificates(publishedPem).filter(isReadable);
  if (published.length === 0) return;
  const known = new Set(roots?.map(rootKey));
  const missing = published.filter((pem) => !known.has(rootKey(pem)));
  const configMap = `ConfigMap ${namespace}/${ROOT_CONFIG_MAP}`;
  // Where all of them have left by rotations, the ConfigMap is older than the Secret, and gets the new root.
  const lost = missing.map(fingerprintOf).find((fingerprint) => rotation?.dropped.includes(fingerprint) !== true);
  if (lost === undefined) return;
  if (missing.length === published.length) throw allLost(starting, configMap);
  const isSignerNew = signingRoot !== undefined && !published.some((pem) => rootKey(pem) === rootKey(signingRoot));
  if (rotation === undefined && isSignerNew) throw notAllAdded(lost, starting, configMap);
  if (rotation === undefined) return;
  throw new CaError(
    "authority_root_lost",
    `the mesh's workloads trust the root ${lost} in ${configMap}, but ${from} does not contain it, as if it was restored from ` +
      "an earlier backup: restore the newer Secret, or add that root to its root-cert.pem; if no workload has a certificate " +
      "of it, remove it from the ConfigMap",
  );
}

function notAllAdded(lost: string, { from }: StartingAuthority, configMap: string): CaError {
  return new CaError(
    "authority_root_lost",
    `${from} signs by a root that no workload trusts yet, and does not contain the root ${lost} in ${configMap}, to which current ` +
      "certificates may lead: add that root to its root certificates, and remove it once no workload uses it any more",
  );
}

function allLost({ from, roots }: StartingAuthority, configMap: string): CaError {
  const found = roots === undefined ? `${from} does not exist` : `${from} contains none of them`;
  const fix =
    roots === undefined
      ? "restore the Secret from a backup"
      : "add the published root to its root certificates, or restore the Secret that had it";
  return new CaError(
    "authority_root_lost",
    `the mesh's workloads trust the roots in ${configMap}, but ${found}: ${fix}. To begin anew, with connections that fail ` +
      "until every workload has a new certificate, delete the ConfigMap",
  );
}

/** A certificate that cannot be read is no root: the ConfigMap is repaired later. */
function isReadable(pem: string): boolean {
  try {
    return rootKey(pem) !== "";
  } catch {
    return false;
  }
}
