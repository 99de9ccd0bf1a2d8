import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { ObjectName } from "../kubernetes/kubernetes-api.ts";
import { errnoOf } from "../mesh/mesh-error.ts";
import { OperatorError } from "./operator-error.ts";
import type { PodPages } from "./pod-pages.ts";

/** A control plane that runs on this machine without Kubernetes. */
export interface MachineControlPlane {
  readonly pages: PodPages;
  /** Its address, in place of a pod's name. */
  readonly name: ObjectName;
}

const HOST = "127.0.0.1";

/** @param port of its status pages: `--metrics-port` of `entente control-plane`. */
export function machineControlPlane(port: number): MachineControlPlane {
  const name = { name: `${HOST}:${port}` };
  const get: PodPages["get"] = ({ path, signal }) =>
    new Promise((resolve, reject) => {
      const sent = request({ host: HOST, port, path, signal, headers: { connection: "close" } });
      sent.on("error", (cause) => reject(explain(cause, name.name)));
      sent.on("response", (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
      sent.end();
    });
  return { name, pages: { get } };
}

function explain(cause: Error, address: string): Error {
  if (errnoOf(cause) !== "ECONNREFUSED") return cause;
  const fix = "start entente control-plane, or give its --metrics-port";
  return new OperatorError("bad_page", `nothing listens on ${address}: ${fix}`, { cause });
}
