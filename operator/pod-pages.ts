import type { ObjectName } from "../kubernetes/kubernetes-api.ts";
import { OperatorError } from "./operator-error.ts";

/** A page of a server inside a pod. */
export interface PageRequest {
  readonly pod: ObjectName;
  readonly port: number;
  readonly path: string;
  readonly signal: AbortSignal;
}

/** Reads pages of servers inside pods: through the API server, or on this machine. */
export interface PodPages {
  get(request: PageRequest): Promise<{ readonly status: number; readonly body: string }>;
}

/** The proxy's own pages; on loopback. */
export const ADMIN_PORT = 15_000;

/** The control plane's pages. */
export const STATUS_PORT = 15_014;

/** The reason of a control plane that cannot open its authority contains names, fingerprints and the fix. */
const MAX_REASON_LENGTH = 1000;

/**
 * Reads a page that is JSON.
 * @throws OperatorError `bad_page` if it is another page
 */
export async function readJsonPage(pages: PodPages, request: PageRequest): Promise<unknown> {
  const { status, body } = await pages.get(request);
  const what = `${request.path} on port ${request.port} of ${describePod(request.pod)}`;
  if (status !== 200)
    throw new OperatorError("bad_page", `${what}: status ${status}: ${body.slice(0, MAX_REASON_LENGTH).trim()}`);
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new OperatorError("bad_page", `${what} is not JSON: is the program another version?`, { cause });
  }
}

/** Without Kubernetes the name is an address. */
function describePod({ namespace, name }: ObjectName): string {
  return namespace === undefined ? name : `pod ${namespace}/${name}`;
}
