import type { Server } from "node:net";
import { errnoOf } from "../mesh/mesh-error.ts";
import { systemClock } from "../mesh/runtime.ts";
import { NetError } from "./net-error.ts";

/** Where a server listens. */
export interface ListenAddress {
  /** 0: any free port. */
  readonly port: number;
  /** @default every address, IPv4 and IPv6 */
  readonly host?: string | undefined;
  /** Whether an IPv6 host leaves IPv4 to another listener. @default false */
  readonly ipv6Only?: boolean;
  /** Called with later errors of the listener, at most once a second. It keeps listening. */
  readonly onError: (error: Error) => void;
}

/**
 * Starts listening, and resolves with the port in use. Every server of the project listens through this function.
 * Rejects with a NetError that names the port, the reason and the fix. Later errors of the listener reach `onError`: a
 * server without a listener for them would end the process.
 */
export function listen(server: Server, address: ListenAddress): Promise<number> {
  const { port, host, ipv6Only, onError } = address;
  return new Promise((resolve, reject) => {
    const onFailure = (error: Error): void => reject(listenError(error, { host: host ?? "::", port }));
    server.once("error", onFailure);
    server.listen({ port, ...(host && { host }), ...(ipv6Only && { ipv6Only }) }, () => {
      server.off("error", onFailure);
      server.on("error", limited(onError));
      resolve(boundPort(server) ?? port);
    });
  });
}

/** A flood can make a listener fail at each accept (EMFILE); one report in this interval is enough. */
const REPORT_EVERY_MS = 1000;

function limited(onError: (error: Error) => void): (error: Error) => void {
  let nextMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = systemClock.monotonicMs();
    if (nowMs < nextMs) return;
    nextMs = nowMs + REPORT_EVERY_MS;
    onError(error);
  };
}

function boundPort(server: Server): number | undefined {
  const address = server.address();
  return address === null || typeof address === "string" ? undefined : address.port;
}

function listenError(error: Error, { host, port }: { readonly host: string; readonly port: number }): NetError {
  const errno = errnoOf(error);
  const options = { details: { port, host, errno }, cause: error };
  switch (errno) {
    case "EADDRINUSE":
      return new NetError(
        "port_in_use",
        `port ${port} is in use: stop what listens there, or choose another port (in a pod, no container may listen on ` +
          "one of the proxy's ports)",
        options,
      );
    case "EACCES":
      return new NetError(
        "listen_failed",
        `the system does not let this user listen on port ${port}: take a port from 1024 up, or allow low ports ` +
          "(net.ipv4.ip_unprivileged_port_start, CAP_NET_BIND_SERVICE)",
        options,
      );
    default:
      return new NetError("listen_failed", `cannot listen on ${host} port ${port}: ${error.message}`, options);
  }
}
