/**
 * Runs on a thread of its own that was started before the mesh: the main thread moves into the mesh's network, and what
 * a user of this machine sees can only be asked from where users are.
 */
import { parentPort } from "node:worker_threads";
import { Agent, request } from "undici";
import type { HostReply, HostRequest } from "./host-requests.ts";

/** The time limit of a request. Only a fault needs it, or a very busy machine. */
const TIMEOUT_MS = 20_000;
const dispatcher = new Agent({ connections: 4, pipelining: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });

parentPort?.on("message", (asked: HostRequest) => {
  void ask(asked).then((reply) => parentPort?.postMessage(reply));
});

async function ask({ id, url, host }: HostRequest): Promise<HostReply> {
  try {
    const { statusCode, body } = await request(url, { dispatcher, headers: { host } });
    return { id, kind: "answered", status: statusCode, text: (await body.text()).trim() };
  } catch (caught) {
    return { id, kind: "failed", message: String(caught) };
  }
}
