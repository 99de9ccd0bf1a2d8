import type { Socket } from "node:net";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { HttpContext } from "../http-context.ts";
import type { ProtocolDecision } from "./decide-protocol.ts";
import { detectOnHttpPort, type HttpPortProtocol } from "./detect-on-http-port.ts";
import { detectProtocol, type UnjudgedRequest } from "./detect-protocol.ts";
import type { ProxyFields } from "./identity-field-watch.ts";

/** Requests, each on a pooled connection. */
export interface HttpForwarding<Upstream> {
  readonly kind: "http";
  readonly protocol: HttpProtocol;
  /** Opened before the connection was known to carry requests. */
  readonly opened: Upstream | undefined;
  /** What has already been read from the client. */
  readonly early: Buffer;
}

export interface StreamForwarding<Upstream> {
  readonly kind: "stream";
  readonly upstream: Upstream;
  /** What the client sent before it half-closed; it is delivered first. */
  readonly early: Buffer;
  /** `guardStream` must watch it: some server could still read a request in the following bytes. */
  readonly isGuarded: boolean;
}

/** How a connection is forwarded from now on. */
export type ForwardingDecision<Upstream> = HttpForwarding<Upstream> | StreamForwarding<Upstream>;

/** A client's connection that waits for the decision. */
export interface Undecided<Upstream> {
  /** The client's side, decrypted. */
  readonly socket: Socket;
  /** The upstream, if it is already open. */
  readonly opened: Upstream | undefined;
  /** Fields that only this proxy may set: a stream must not bring them. */
  readonly proxyFields?: ProxyFields;
  /** Opens the upstream; `undefined`: it cannot be opened, and that has been reported. */
  open(): Promise<Upstream | undefined>;
  /** Forwards it. For `http` the client must be read from before the call returns. */
  forward(decision: ForwardingDecision<Upstream>): void;
  /**
   * It is not forwarded: the client has disconnected, the upstream cannot be opened, or, with a reason, the client's
   * bytes may be a request to some servers and must not be delivered.
   */
  abandon(reason?: UnjudgedRequest): void;
  /** The code above, or this decision, threw an exception. */
  refuseFault(caught: unknown): void;
}

/**
 * Decides how a connection is forwarded: by the declared protocol, else by the first bytes. The upstream is opened only
 * if needed: a stream needs it, and the server of an undeclared port may speak first. A request on a declared port is
 * forwarded in the turn in which it arrives, without a promise: most connections are of this kind.
 */
export function decideForwarding<Upstream extends { readonly socket: Socket }>(
  connection: Undecided<Upstream>,
  protocol: ProtocolDecision,
  context: Pick<HttpContext, "clock" | "limits">,
): void {
  if (protocol === "http") {
    detectOnHttpPort(connection.socket, context, (spoken) => forwardSpoken(connection, spoken, context));
  } else {
    forwardOpened(connection, protocol, context);
  }
}

function forwardSpoken<Upstream extends { readonly socket: Socket }>(
  connection: Undecided<Upstream>,
  spoken: HttpPortProtocol,
  context: Pick<HttpContext, "clock">,
): void {
  try {
    if (spoken.kind === "closed") connection.abandon();
    else if (spoken.kind === "stream") forwardOpened(connection, "stream", context);
    else connection.forward({ ...spoken, opened: connection.opened });
  } catch (caught) {
    connection.refuseFault(caught);
  }
}

function forwardOpened<Upstream extends { readonly socket: Socket }>(
  connection: Undecided<Upstream>,
  protocol: Exclude<ProtocolDecision, "http">,
  context: Pick<HttpContext, "clock">,
): void {
  // Without this an exception would be an unhandled rejection, which ends the process.
  openAndForward(connection, protocol, context).catch((caught) => connection.refuseFault(caught));
}

async function openAndForward<Upstream extends { readonly socket: Socket }>(
  connection: Undecided<Upstream>,
  protocol: Exclude<ProtocolDecision, "http">,
  { clock }: Pick<HttpContext, "clock">,
): Promise<void> {
  const upstream = connection.opened ?? (await connection.open());
  if (upstream === undefined) return connection.abandon();
  if (protocol === "stream") {
    return connection.forward({ kind: "stream", upstream, early: NO_BYTES, isGuarded: false });
  }
  const detected = await detectProtocol(connection.socket, upstream.socket, clock, connection.proxyFields);
  switch (detected.kind) {
    case "http":
      return connection.forward({ ...detected, opened: upstream, early: NO_BYTES });
    case "stream":
      return connection.forward({ kind: "stream", upstream, early: detected.early, isGuarded: detected.isGuarded });
    case "refused":
      return connection.abandon(detected);
    case "closed":
      return connection.abandon();
  }
}

const NO_BYTES = Buffer.alloc(0);
