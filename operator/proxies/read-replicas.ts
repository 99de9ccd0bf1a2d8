import type { ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { type PodPages, readJsonPage, STATUS_PORT } from "../pod-pages.ts";
import type { ControlPlaneReplica } from "./proxy-report.ts";
import { validateSyncPage } from "./sync-page.ts";

/** Asks every replica of the control plane for its proxies. One that fails is reported, and the others are read. */
export function readReplicas(
  pages: PodPages,
  pods: readonly ObjectName[],
  signal: AbortSignal,
): Promise<readonly ControlPlaneReplica[]> {
  return Promise.all(
    pods.map(async (pod): Promise<ControlPlaneReplica> => {
      const name = `${pod.name}.${pod.namespace}`;
      try {
        const page = await readJsonPage(pages, { pod, port: STATUS_PORT, path: "/debug/syncz", signal });
        return { pod: name, page: { kind: "read", ...validateSyncPage(page) } };
      } catch (caught) {
        signal.throwIfAborted();
        return { pod: name, page: { kind: "failed", reason: MeshError.from(caught).message } };
      }
    }),
  );
}
