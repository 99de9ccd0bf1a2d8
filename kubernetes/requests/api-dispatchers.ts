import { Agent, type Dispatcher, ProxyAgent } from "undici";
import type { ApiTls, ClusterAccess } from "../cluster-access.ts";

/** The connections to the API server, for one set of TLS credentials. */
export interface ApiDispatchers {
  /** Kept and shared by calls. */
  readonly calls: Dispatcher;
  /** Watches hold a connection for minutes. They have their own, so that calls never wait for one. */
  readonly watches: Dispatcher;
}

/** Simultaneous calls; more of them wait for a connection. */
const MAX_CALL_CONNECTIONS = 16;

/** An unanswered SYN or TLS handshake ends after this time, so that an attempt fails while its caller still waits. */
const CONNECT_TIMEOUT_MS = 5000;

/** TCP keepalive notices a server that is gone behind idle connections. */
const TCP_KEEPALIVE_MS = 30_000;

/** Below the 60 s of common load balancers in front of API servers. */
const IDLE_CONNECTION_MS = 30_000;

/**
 * Gives the connections for the current credentials, and replaces them when those change: a renewed client certificate
 * or authority. Open requests end on their old connections.
 */
export class DispatcherSource {
  readonly #access: ClusterAccess;
  #current: { readonly key: string; readonly dispatchers: ApiDispatchers } | undefined;
  #isClosed = false;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  for(tls: ApiTls): ApiDispatchers {
    const key = JSON.stringify(tls);
    if (this.#current?.key === key) return this.#current.dispatchers;
    if (this.#isClosed) throw new TypeError("the Kubernetes client is closed");
    const previous = this.#current?.dispatchers;
    const dispatchers = {
      calls: createDispatcher(this.#access, tls, MAX_CALL_CONNECTIONS),
      watches: createDispatcher(this.#access, tls, null),
    };
    this.#current = { key, dispatchers };
    // Waits for open requests. Its rejection would only repeat what each of them reports.
    previous?.calls.close().catch(() => undefined);
    previous?.watches.close().catch(() => undefined);
    return dispatchers;
  }

  /** Ends open requests too. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const dispatchers = this.#current?.dispatchers;
    await Promise.all([dispatchers?.calls.destroy(), dispatchers?.watches.destroy()]);
  }
}

function createDispatcher(access: ClusterAccess, tls: ApiTls, connections: number | null): Dispatcher {
  const secure = {
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(tls.servername !== undefined && { servername: tls.servername }),
    rejectUnauthorized: tls.verification === "full",
    minVersion: "TLSv1.2",
    timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEPALIVE_MS,
  } as const;
  // Each call has its own time limit; undici's would end a silent watch after five minutes. On one HTTP/2 connection
  // a server allows about 100 watches, and a large list would hold them all up.
  const shared = {
    connections,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  };
  if (access.proxy === undefined) return new Agent({ ...shared, connect: secure });
  return new ProxyAgent({
    ...shared,
    uri: access.proxy,
    requestTls: secure,
    proxyTls: { timeout: CONNECT_TIMEOUT_MS },
  });
}
