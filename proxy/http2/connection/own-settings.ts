import { SETTING } from "../frames/frame-types.ts";
import type { Http2Limits } from "../http2-limits.ts";

/** Our SETTINGS, which are sent once, at the connection's begin. */
export class OwnSettings {
  /** Pairs of identifier and value. */
  readonly entries: readonly (readonly [number, number])[];
  readonly #sentMs: number;
  #state: "sent" | "acknowledged" = "sent";

  constructor(
    limits: Http2Limits,
    options: {
      readonly role: "client" | "server";
      readonly allowsExtendedConnect: boolean;
      readonly nowMs: number;
    },
  ) {
    this.#sentMs = options.nowMs;
    const entries: [number, number][] = [
      [SETTING.initialWindowSize, limits.streamWindowBytes],
      [SETTING.maxHeaderListSize, limits.headers.maxListBytes],
    ];
    if (options.role === "client") entries.unshift([SETTING.enablePush, 0]);
    else entries.unshift([SETTING.maxConcurrentStreams, limits.maxConcurrentStreams]);
    if (options.allowsExtendedConnect) entries.push([SETTING.enableConnectProtocol, 1]);
    this.entries = entries;
  }

  /** The peer's acknowledgement. @returns false: there was nothing to acknowledge. */
  acknowledge(): boolean {
    if (this.#state === "acknowledged") return false;
    this.#state = "acknowledged";
    return true;
  }

  /** Whether the peer should have acknowledged by now (RFC 9113 §6.5.3). */
  isOverdue(nowMs: number, timeoutMs: number): boolean {
    return this.#state === "sent" && nowMs - this.#sentMs >= timeoutMs;
  }
}
