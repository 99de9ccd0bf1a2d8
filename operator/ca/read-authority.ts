import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ObjectName } from "../../kubernetes/kubernetes-api.ts";
import type { PodPages } from "../pod-pages.ts";
import { nameOfReplica, type ReplicaPage, readPage } from "../proxies/read-replicas.ts";
import { type ControlPlaneReplica, validateSyncPage } from "../proxies/sync-page.ts";
import { validateAuthorityPage } from "./authority-page.ts";

/** A control plane, its proxies and what it says of the certificate authority. */
export interface AuthorityReplica extends ControlPlaneReplica {
  readonly authority: ReplicaPage<AuthorityStatus>;
}

/** Asks every replica. One that fails is reported, and the others are read. */
export function readAuthorityReplicas(
  pages: PodPages,
  pods: readonly ObjectName[],
  signal: AbortSignal,
): Promise<readonly AuthorityReplica[]> {
  return Promise.all(
    pods.map(async (pod) => {
      const [page, authority] = await Promise.all([
        readPage(pages, { pod, path: "/debug/syncz", validate: validateSyncPage, signal }),
        readPage(pages, { pod, path: "/debug/ca", validate: validateAuthorityPage, signal }),
      ]);
      return { pod: nameOfReplica(pod), page, authority };
    }),
  );
}
