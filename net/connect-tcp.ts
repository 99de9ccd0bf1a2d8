import { connect, type Socket } from "node:net";
import { errnoOf } from "../mesh/mesh-error.ts";
import type { Clock } from "../mesh/runtime.ts";
import { afterInput } from "./after-input.ts";
import { formatSocketAddress, type SocketAddress } from "./socket-address.ts";

/**
 * TCP keepalive probes start after this idle time, on every connection: a vanished peer must not hold its socket for
 * ever.
 */
export const TCP_KEEPALIVE_MS = 180_000;

export interface ConnectOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
  /** The source address. */
  readonly localAddress?: string;
}

export type ConnectResult =
  | { readonly kind: "socket"; readonly socket: Socket }
  | { readonly kind: "failed"; readonly message: string };

/**
 * Connects, or returns the reason for the failure. The socket is paused, allows half-close, and has a permanent error
 * listener.
 */
export function connectTcp(address: SocketAddress, options: ConnectOptions): Promise<ConnectResult> {
  const target = formatSocketAddress(address);
  return new Promise((resolve) => {
    const socket = connect({
      host: address.ip,
      port: address.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    const settle = (result: ConnectResult): void => {
      timer.cancel();
      options.signal?.removeEventListener("abort", onAbort);
      resolve(result);
    };
    const fail = (message: string): void => {
      socket.destroy();
      settle({ kind: "failed", message });
    };
    const onAbort = (): void => fail(`the client disconnected while ${target} was being dialled`);
    const timer = afterInput(
      options.clock,
      () => fail(`no connection to ${target} within ${options.timeoutMs} ms`),
      options.timeoutMs,
    );
    socket.on("error", (error) => fail(`cannot connect to ${target}: ${errnoOf(error) ?? error.message}`));
    socket.once("connect", () => settle({ kind: "socket", socket }));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();
  });
}
