import type { Socket } from "node:net";
import type { Clock, Timer } from "../../mesh/runtime.ts";
import { Ending } from "./ending.ts";
import { lendMemory, writeLent } from "./memory/read-memory.ts";

/** How a relayed connection ended. */
export type RelayEnd = "closed" | "reset_by_downstream" | "reset_by_upstream" | "idle_half_open" | "closed_by_proxy";

/** Why a connection that was allowed is cut. Stable: a metric label. */
export type CutReason = "policy_changed" | "trust_changed" | "revoked" | "stopped" | "displaced";

export interface RelayEnds {
  readonly downstream: Socket;
  readonly upstream: Socket;
}

export interface RelayOptions {
  readonly clock: Clock;
  /** How long a half-closed connection may be idle. */
  readonly halfOpenIdleMs: number;
}

export interface Relay {
  /** Calls the listener once: at the end, or now if it is over. */
  onEnd(listener: (end: RelayEnd) => void): void;
  /** Cuts the connection on both sides. @param reason for the access log. */
  cut(reason?: CutReason): void;
}

/**
 * Carries bytes both ways until both directions have ended. A FIN in one direction is passed on and leaves the other
 * open (half-close, RFC 9293 §3.6). An error on one side resets the other, so that an abort does not look like a
 * regular end. A slow reader costs two stream buffers. What was written is freed at once, which `pipe` cannot do.
 */
export function relay(ends: RelayEnds, options: RelayOptions): Relay {
  const { downstream, upstream } = ends;
  const ending = new Ending<RelayEnd>();
  const finish = (end: RelayEnd): void => {
    if (ending.isOver) return;
    halfOpen.stop();
    if (end !== "closed") {
      abortSocket(downstream);
      abortSocket(upstream);
    }
    ending.report(end);
  };
  const halfOpen = watchHalfOpen(ends, options, () => finish("idle_half_open"));
  joinDirection(downstream, upstream, { onError: () => finish("reset_by_downstream"), onEnd: () => halfOpen.start() });
  joinDirection(upstream, downstream, { onError: () => finish("reset_by_upstream"), onEnd: () => halfOpen.start() });

  let open = 2;
  const onClose = (end: RelayEnd, socket: Socket): void => {
    if (!(socket.readableEnded && socket.writableFinished)) finish(end);
    open -= 1;
    if (open === 0) finish("closed");
  };
  downstream.once("close", () => onClose("reset_by_downstream", downstream));
  upstream.once("close", () => onClose("reset_by_upstream", upstream));
  if (downstream.destroyed) finish("reset_by_downstream");
  if (upstream.destroyed) finish("reset_by_upstream");
  return { onEnd: (listener) => ending.onEnd(listener), cut: () => finish("closed_by_proxy") };
}

function joinDirection(
  from: Socket,
  to: Socket,
  on: { readonly onError: () => void; readonly onEnd: () => void },
): void {
  const onEnd = (): void => {
    on.onEnd();
    to.end();
  };
  from.on("error", on.onError);
  from.on("data", (chunk: Buffer) => {
    lendMemory(chunk, chunk.length);
    if (!writeLent(to, [chunk])) from.pause();
  });
  to.on("drain", () => from.resume());
  // A direction that has ended before emits no event.
  if (from.readableEnded) process.nextTick(onEnd);
  else from.once("end", onEnd);
  if (to.writableNeedDrain) from.pause();
  else from.resume();
}

/** A peer that vanished would hold a half-closed connection for ever (istio#43297); keepalive and this limit end it. */
function watchHalfOpen(ends: RelayEnds, options: RelayOptions, onIdle: () => void): { start(): void; stop(): void } {
  let timer: Timer | undefined;
  let seen = -1;
  const progress = (): number => ends.downstream.bytesWritten + ends.upstream.bytesWritten;
  const check = (): void => {
    const now = progress();
    if (now === seen) {
      onIdle();
      return;
    }
    seen = now;
    timer = options.clock.setTimeout(check, options.halfOpenIdleMs);
  };
  return {
    start: () => {
      if (timer === undefined) check();
    },
    stop: () => timer?.cancel(),
  };
}

/**
 * Closes a socket with a reset instead of a FIN. For a TLS socket the reset must go to the TCP socket below: a TLS peer
 * reads a plain FIN as the end of the stream.
 */
export function abortSocket(socket: Socket): void {
  const tcp = tcpBelow(socket);
  if (tcp !== undefined && !tcp.destroyed) tcp.resetAndDestroy();
  socket.destroy();
}

/** TLSSocket keeps the underlying socket as `_parent`. */
function tcpBelow(socket: Socket): Socket | undefined {
  const parent: unknown = Reflect.get(socket, "_parent");
  if (parent === undefined || parent === null) return socket;
  return isSocket(parent) ? parent : undefined;
}

function isSocket(value: unknown): value is Socket {
  return typeof value === "object" && value !== null && "resetAndDestroy" in value;
}
