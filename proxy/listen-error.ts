import { errnoOf } from "../mesh/mesh-error.ts";
import { ProxyError } from "./proxy-error.ts";

/** Says why a port cannot be listened on, and what to do about it. */
export function listenError(error: Error, address: { readonly host: string; readonly port: number }): ProxyError {
  const { host, port } = address;
  const errno = errnoOf(error);
  const options = { details: { port, host, errno }, cause: error };
  switch (errno) {
    case "EADDRINUSE":
      return new ProxyError(
        "port_in_use",
        `port ${port} is in use in this pod: no container may listen on one of the proxy's ports, give it another`,
        options,
      );
    case "EACCES":
      return new ProxyError(
        "listen_failed",
        `the system does not let this user listen on port ${port}: take a port from 1024 up, or allow low ports ` +
          "(net.ipv4.ip_unprivileged_port_start, CAP_NET_BIND_SERVICE)",
        options,
      );
    default:
      return new ProxyError("listen_failed", `cannot listen on ${host} port ${port}: ${error.message}`, options);
  }
}
