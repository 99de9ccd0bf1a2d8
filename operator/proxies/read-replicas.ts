import type { ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { type PodPages, readJsonPage, STATUS_PORT } from "../pod-pages.ts";
import { type ControlPlaneReplica, validateSyncPage } from "./sync-page.ts";

/** Asks every replica of the control plane for its proxies. One that fails is reported, and the others are read. */
export function readReplicas(
  pages: PodPages,
  pods: readonly ObjectName[],
  signal: AbortSignal,
): Promise<readonly ControlPlaneReplica[]> {
  return Promise.all(
    pods.map(async (pod) => ({
      pod: nameOfReplica(pod),
      page: await readPage(pages, { pod, path: "/debug/syncz", validate: validateSyncPage, signal }),
    })),
  );
}

/** `NAME.NAMESPACE`; the address of a control plane that runs without Kubernetes. */
export function nameOfReplica({ name, namespace }: ObjectName): string {
  return namespace === undefined ? name : `${name}.${namespace}`;
}

/** A page of a control plane, or why it could not be read. */
export type ReplicaPage<Page> =
  | ({ readonly kind: "read" } & Readonly<Page>)
  | { readonly kind: "failed"; readonly reason: string };

export interface ReplicaRequest<Page> {
  readonly pod: ObjectName;
  readonly path: string;
  /** Throws if the page is another one. */
  readonly validate: (value: unknown) => Page;
  readonly signal: AbortSignal;
}

/** Reads one page of one control plane. Rejects only when the signal aborts. */
export async function readPage<Page>(
  pages: PodPages,
  { pod, path, validate, signal }: ReplicaRequest<Page>,
): Promise<ReplicaPage<Page>> {
  try {
    const page = await readJsonPage(pages, { pod, port: STATUS_PORT, path, signal });
    return { kind: "read", ...validate(page) };
  } catch (caught) {
    signal.throwIfAborted();
    return { kind: "failed", reason: MeshError.from(caught).message };
  }
}
