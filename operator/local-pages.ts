import { join, resolve } from "node:path";
import { listRunningPods, type RunningPod, readLocalPage } from "../local/pods/running-pods.ts";
import { authorityFolder, listRuns, RUNS_FOLDER } from "../local/run-folder.ts";
import { errnoOf } from "../mesh/mesh-error.ts";
import { OperatorError } from "./operator-error.ts";
import type { PodPages } from "./pod-pages.ts";

export interface LocalPages extends PodPages {
  readonly pods: readonly RunningPod[];
  /** The pod named `NAME`, `NAME.NAMESPACE`, or the first whose name begins so: a Deployment's. */
  find(text: string, namespace: string | undefined): RunningPod;
}

/** The pods of `entente local` on this machine. @param runId of one run; absent: of all */
export function localPages(runId?: string): LocalPages {
  const pods = listRunningPods(runId);
  if (pods.length === 0) throw notLocal();
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

/** A mesh that `entente local` runs. */
export interface LocalMesh {
  readonly pages: LocalPages;
  /** The folder of its certificate authority. */
  readonly authority: string;
}

/** @param chosen the folder of the authority, where several meshes run on this machine */
export function findLocalMesh(chosen: string | undefined): LocalMesh {
  const meshes = listRuns().flatMap(({ id, ownerPid }) =>
    ownerPid === undefined ? [] : [{ id, authority: authorityFolder(join(RUNS_FOLDER, id)) }],
  );
  if (meshes.length === 0) throw notLocal();
  const found = chosen === undefined ? meshes : meshes.filter(({ authority }) => authority === resolve(chosen));
  const [mesh, ...others] = found;
  if (mesh !== undefined && others.length === 0) return { authority: mesh.authority, pages: localPages(mesh.id) };
  const choices = meshes.map(({ authority }) => authority).join(" or ");
  const fault =
    mesh === undefined ? `${chosen} is the authority of none of them` : "several meshes run on this machine";
  throw new OperatorError("ambiguous", `${fault}: choose one by --ca-directory ${choices}`);
}

function notLocal(): OperatorError {
  const fix = "start one with entente local up --keep, as root";
  return new OperatorError("not_local", `no cluster runs on this machine: ${fix}`);
}
