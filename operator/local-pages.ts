import { listRunningPods, type RunningPod, readLocalPage } from "../local/pods/running-pods.ts";
import { errnoOf } from "../mesh/mesh-error.ts";
import { OperatorError } from "./operator-error.ts";
import type { PodPages } from "./pod-pages.ts";

export interface LocalPages extends PodPages {
  readonly pods: readonly RunningPod[];
  /** The pod named `NAME`, `NAME.NAMESPACE`, or the first whose name begins so: a Deployment's. */
  find(text: string, namespace: string | undefined): RunningPod;
}

/** The pods of `entente local` on this machine. */
export function localPages(): LocalPages {
  const pods = listRunningPods();
  if (pods.length === 0) {
    throw new OperatorError(
      "not_local",
      "no cluster runs on this machine: start one with entente local up --keep, as root",
    );
  }
  const find = (text: string, namespace: string | undefined): RunningPod => {
    const dot = text.lastIndexOf(".");
    const wanted = dot < 0 ? { name: text, namespace } : { name: text.slice(0, dot), namespace: text.slice(dot + 1) };
    const inNamespace = pods.filter((pod) => wanted.namespace === undefined || pod.namespace === wanted.namespace);
    const found =
      inNamespace.find(({ name }) => name === wanted.name) ??
      inNamespace.find(({ name }) => name.startsWith(`${wanted.name}-`));
    if (found !== undefined) return found;
    const names = pods.map((pod) => `${pod.name}.${pod.namespace}`).join(", ");
    throw new OperatorError("not_found", `there is no pod ${text} on this machine; there is ${names}`);
  };
  return {
    pods,
    find,
    get: async ({ pod, ...request }) => {
      try {
        return await readLocalPage(find(`${pod.name}.${pod.namespace}`, undefined), request);
      } catch (cause) {
        if (!(cause instanceof Error) || errnoOf(cause) !== "ECONNREFUSED") throw cause;
        const place = `port ${request.port} of pod ${pod.namespace}/${pod.name}`;
        throw new OperatorError("bad_page", `nothing listens on ${place}: it has no proxy`, { cause });
      }
    },
  };
}
