import type { Socket } from "node:net";
import type { HttpContext } from "../http-context.ts";
import type { ProtocolDecision } from "./decide-protocol.ts";
import { detectOnHttpPort } from "./detect-on-http-port.ts";
import { detectProtocol, type UnjudgedRequest } from "./detect-protocol.ts";

/** Requests, each on a pooled connection. */
export interface HttpForwarding<Upstream> {
  readonly kind: "http";
  /** Opened before the connection was known to carry requests. */
  readonly opened: Upstream | undefined;
  /** Returns what has already been read from the client. The caller must continue reading in the same turn. */
  readonly takeEarly: () => Buffer;
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

export interface ForwardingOptions<Upstream> {
  readonly client: Socket;
  readonly protocol: ProtocolDecision;
  /** The upstream, if it is already open. */
  readonly opened: Upstream | undefined;
  /** Opens the upstream; `undefined`: it cannot be opened, and that has been reported. */
  readonly open: () => Promise<Upstream | undefined>;
  /** The client's bytes may be a request to some servers, and must not be delivered: the connection must be cut. */
  readonly onAmbiguous: (request: UnjudgedRequest) => void;
  readonly context: Pick<HttpContext, "clock" | "limits">;
}

/**
 * Decides how a connection is forwarded: by the declared protocol, else by the first bytes. The upstream is opened only
 * if needed: a stream needs it, and the server of an undeclared port may speak first.
 * @returns undefined: the client has disconnected, its bytes must not be delivered, or the upstream cannot be opened.
 */
export async function decideForwarding<Upstream extends { readonly socket: Socket }>(
  options: ForwardingOptions<Upstream>,
): Promise<ForwardingDecision<Upstream> | undefined> {
  const { client, context, opened } = options;
  let { protocol } = options;
  if (protocol === "http") {
    const spoken = await detectOnHttpPort(client, context);
    if (spoken.kind === "closed") return undefined;
    if (spoken.kind === "http") return { ...spoken, opened };
    protocol = "stream";
  }
  const upstream = opened ?? (await options.open());
  if (upstream === undefined) return undefined;
  if (protocol === "stream") return { kind: "stream", upstream, early: NO_BYTES, isGuarded: false };
  return await decideByFirstBytes(upstream, options);
}

const NO_BYTES = Buffer.alloc(0);

async function decideByFirstBytes<Upstream extends { readonly socket: Socket }>(
  upstream: Upstream,
  { client, context, onAmbiguous }: ForwardingOptions<Upstream>,
): Promise<ForwardingDecision<Upstream> | undefined> {
  const detected = await detectProtocol(client, upstream.socket, context.clock);
  switch (detected.kind) {
    case "http":
      return { kind: "http", opened: upstream, takeEarly: () => NO_BYTES };
    case "stream":
      return { kind: "stream", upstream, early: detected.early, isGuarded: detected.isGuarded };
    case "refused":
      onAmbiguous(detected);
      return undefined;
    case "closed":
      return undefined;
  }
}
