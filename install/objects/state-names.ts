/** What the running parts create in the cluster, under these names. Access rights and `entente uninstall` need them. */
import { PLUGGED_IN_SECRET, SELF_SIGNED_SECRET } from "../../ca-agent/authority/secrets/authority-secret.ts";
import { CONTROL_CONFIG_MAP } from "../../ca-agent/control/control-config-map.ts";
import { ROOT_CONFIG_MAP } from "../../ca-agent/trust-distribution/root-config-map.ts";
import { REPLICA_LEASES } from "../../control-plane/rotation/replica-leases.ts";
import { ROTATION_LEASE } from "../../control-plane/rotation/start-rotation.ts";
import { type IdentityNames, identityNames } from "../../injector/cluster/identity-names.ts";
import type { InstallValues } from "../values/install-values.ts";

export const STATE_NAMES = {
  /** The authority's key and root, made by the control plane. Shared by all revisions of a namespace. */
  authoritySecret: SELF_SIGNED_SECRET,
  /** The authority that an operator provides; only ever read. */
  operatorSecret: PLUGGED_IN_SECRET,
  /** What operators ask of the authority, such as revocations. */
  controlConfigMap: CONTROL_CONFIG_MAP,
  /** The mesh's roots, in every namespace. */
  rootsConfigMap: ROOT_CONFIG_MAP,
  /** By which the control planes agree who replaces the root. */
  rotationLease: ROTATION_LEASE,
  /** The label selector of the control planes' own Leases. */
  replicaLeases: REPLICA_LEASES,
} as const;

/** The injector's objects, as the injector itself looks for them. */
export function injectorNames({ revision, namespace }: Pick<InstallValues, "revision" | "namespace">): IdentityNames {
  return identityNames({ revision, controlPlaneNamespace: namespace });
}
