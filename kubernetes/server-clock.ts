import { request } from "undici";
import type { ClusterAccess } from "./cluster-access.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";
import { DispatcherSource } from "./requests/api-dispatchers.ts";
import { describeFailure } from "./requests/connection-failure.ts";

export interface ServerClockOptions {
  readonly access: ClusterAccess;
  /** This machine's clock. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/**
 * How far the API server's clock is ahead of this machine's, by the Date of a response: precise to about a second, since
 * HTTP dates have no fractions (RFC 9110 §5.6.7).
 */
export async function readServerClock({ access, now, signal }: ServerClockOptions): Promise<number> {
  const dispatchers = new DispatcherSource(access);
  const call = `GET ${access.server}/version`;
  try {
    const { headers, tls } = await access.credentials("cached");
    const sentMs = now();
    const dispatcher = dispatchers.for(tls).calls;
    const response = await request(`${access.server}/version`, { dispatcher, signal, headers });
    const receivedMs = now();
    await response.body.dump();
    const dateMs = Date.parse([response.headers["date"]].flat()[0] ?? "");
    if (Number.isNaN(dateMs)) throw new KubernetesApiError("api_invalid_response", `${call}: the response has no Date`);
    return dateMs + HALF_A_SECOND_MS - (sentMs + receivedMs) / 2;
  } catch (caught) {
    if (signal.aborted) throw signal.reason;
    if (caught instanceof KubernetesApiError) throw caught;
    throw new KubernetesApiError("api_unreachable", `${call}: ${describeFailure(caught)}`, { cause: caught });
  } finally {
    await dispatchers.close();
  }
}

/** The date is cut to the second: on average it is half a second late. */
const HALF_A_SECOND_MS = 500;
