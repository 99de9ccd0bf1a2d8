import type { Socket } from "node:net";
import { type Relay, type RelayOptions, relay } from "../../connections/relay.ts";
import type { StreamForwarding } from "./decide-forwarding.ts";
import { guardStream, type UnjudgedRequest } from "./detect-protocol.ts";
import type { ProxyFields } from "./identity-field-watch.ts";

export interface RelayStreamOptions extends RelayOptions {
  /** A server could read a request in the next bytes, which are not delivered: the connection must be cut. */
  readonly onRequest: (request: UnjudgedRequest) => void;
  /** Fields that only this proxy may set. */
  readonly proxyFields?: ProxyFields;
}

/** Relays a connection as a stream: first what its client has already sent, then both directions until both end. */
export function relayStream(
  downstream: Socket,
  { upstream, early, isGuarded }: StreamForwarding<{ readonly socket: Socket }>,
  options: RelayStreamOptions,
): Relay {
  if (isGuarded) guardStream(downstream, options.onRequest, options.proxyFields);
  if (early.length > 0) upstream.socket.write(early);
  return relay({ downstream, upstream: upstream.socket }, options);
}
