import { OutputSlab } from "../frames/output-slab.ts";
import type { Http2Limits } from "../http2-limits.ts";
import { DrainState } from "./drain-state.ts";
import { FloodGuard } from "./flood-guard.ts";
import { HeaderBlockWriter } from "./header-block-writer.ts";
import type { Http2Event } from "./http2-events.ts";
import { OwnSettings } from "./own-settings.ts";
import { PeerSettings } from "./peer-settings.ts";
import { ReceiveWindows } from "./receive-windows.ts";
import { SendScheduler } from "./send-scheduler.ts";
import { StreamTable } from "./stream-table.ts";

/** No events, no output: one list for all. */
export const NOTHING_PENDING: readonly never[] = [];

export interface ConnectionOptions {
  readonly limits: Http2Limits;
  readonly nowMs: number;
  readonly allowsExtendedConnect: boolean;
}

/** The parts of one connection. */
export class ConnectionState<Head, Context> {
  readonly role: "client" | "server";
  readonly limits: Http2Limits;
  readonly slab = new OutputSlab();
  /** Replies to PING, which go first. */
  readonly pingReplies = new OutputSlab();
  readonly streams = new StreamTable<Context>();
  readonly windows: ReceiveWindows<Context>;
  readonly scheduler = new SendScheduler<Context>();
  readonly guard: FloodGuard;
  readonly headers: HeaderBlockWriter;
  readonly peer: PeerSettings;
  readonly ownSettings: OwnSettings;
  readonly drain = new DrainState();
  /** The time of the last call from outside. */
  nowMs: number;
  /** Whether our first SETTINGS were handed over. */
  isPrefaceTaken = false;
  #events: Http2Event<Head, Context>[] = [];

  constructor(role: "client" | "server", options: ConnectionOptions) {
    const { limits, nowMs, allowsExtendedConnect } = options;
    this.role = role;
    this.limits = limits;
    this.ownSettings = new OwnSettings(limits, { role, allowsExtendedConnect, nowMs });
    this.nowMs = nowMs;
    this.windows = new ReceiveWindows(limits);
    this.guard = new FloodGuard(limits, nowMs);
    this.headers = new HeaderBlockWriter(this.slab);
    this.peer = new PeerSettings((bytes) => this.headers.setMaxTableBytes(bytes));
  }

  /** Whether the connection has failed or was closed. */
  get isOver(): boolean {
    return this.drain.isOver;
  }

  emit(event: Http2Event<Head, Context>): void {
    this.#events.push(event);
  }

  takeEvents(): readonly Http2Event<Head, Context>[] {
    if (this.#events.length === 0) return NOTHING_PENDING;
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
