/** What the running parts create in the cluster, under these names. Access rights and `entente uninstall` need them. */
import type { InstallValues } from "../values/install-values.ts";
import { withRevision } from "./names.ts";

/** The authority's key and root, made by the control plane. Shared by all revisions of a namespace. */
export const AUTHORITY_SECRET = "istio-ca-secret";

/** The authority that an operator provides; only ever read. */
export const OPERATOR_SECRET = "cacerts";

/** The mesh's roots, a ConfigMap in every namespace. */
export const ROOTS_CONFIG_MAP = "istio-ca-root-cert";

/** Decides which control plane does what only one may do. */
export const LEADER_LEASE = "istiod-leader";

/** The webhook's certificate, shared by the injector's replicas. */
export function webhookSecretName(values: Pick<InstallValues, "revision">): string {
  return `${withRevision("istio-sidecar-injector", values)}-tls`;
}
