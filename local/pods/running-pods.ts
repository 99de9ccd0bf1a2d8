import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type LookupFunction } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { LocalError } from "../local-error.ts";
import { enterNetworkNamespace } from "../network/network-namespace.ts";
import { listRuns, RUNS_FOLDER } from "../run-folder.ts";

/** In a pod's folder: the name of its network namespace. */
export const NAMESPACE_FILE = "network-namespace";

/** A pod of a cluster that runs on this machine, in any process. */
export interface RunningPod {
  readonly namespace: string;
  readonly name: string;
  readonly networkNamespace: string;
}

/** The pods of the runs whose process is alive, or of one of them. Only root can read them. */
export function listRunningPods(runId?: string): readonly RunningPod[] {
  const alive = listRuns().filter(
    ({ id, ownerPid }) => ownerPid !== undefined && (runId === undefined || id === runId),
  );
  return alive.flatMap(({ id }) => {
    const folder = join(RUNS_FOLDER, id, "pods");
    return readNames(folder).flatMap((entry) => {
      const [namespace = "", name = ""] = entry.split("_");
      const networkNamespace = readText(join(folder, entry, NAMESPACE_FILE));
      return networkNamespace === undefined ? [] : [{ namespace, name, networkNamespace }];
    });
  });
}

export interface LocalPageRequest {
  readonly port: number;
  readonly path: string;
  readonly signal: AbortSignal;
}

/**
 * Requests a page of a server on the loopback of a pod. When this returns its promise, the calling thread is back in its
 * own network: what else the program opens or starts meanwhile must not get into the pod's.
 */
export function readLocalPage(
  { networkNamespace }: RunningPod,
  { port, path, signal }: LocalPageRequest,
): Promise<{ readonly status: number; readonly body: string }> {
  const leave = enterNetworkNamespace(networkNamespace);
  try {
    // A lookup that answers at once lets Node open the socket at once, here. The socket stays in the pod's network.
    const lookup: LookupFunction = (_host, _options, answer) => answer(null, "127.0.0.1", 4);
    const socket = connect({ host: "loopback", port, lookup, family: 4, autoSelectFamily: false });
    const headers = { host: "127.0.0.1", connection: "close" };
    const sent = request({ path, signal, headers, createConnection: () => socket });
    const responded = new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
      sent.on("error", reject);
      sent.on("response", (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
    });
    sent.end();
    return responded;
  } finally {
    leave();
  }
}

function readNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (caught) {
    if (isAbsent(caught)) return [];
    throw new LocalError("unfit_machine", `${folder} cannot be read: run as root`, { cause: caught });
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (caught) {
    if (isAbsent(caught)) return undefined;
    throw caught;
  }
}

/** A run that ends takes its folders along. */
function isAbsent(caught: unknown): boolean {
  return caught instanceof Error && "code" in caught && (caught.code === "ENOENT" || caught.code === "ENOTDIR");
}
