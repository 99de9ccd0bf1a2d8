import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { DiscoveryService } from "../../../mesh/api/gen/discovery_pb.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, LogFields, Logger, LogLimiter, Random, Timer } from "../../../mesh/runtime.ts";
import { type Backoff, createBackoff } from "./backoff.ts";
import type { ControlPlaneConnection } from "./control-plane-connection.ts";

/** A connection with a client of the discovery service. */
export interface DiscoveryLink {
  readonly connection: ControlPlaneConnection;
  readonly client: Client<typeof DiscoveryService>;
}

/** One watch: how it is opened and how its responses are read. */
export interface Question<Schema extends DescMessage, Value> {
  /** For the log: `WatchInbound of ns1/hello-1`. */
  readonly name: string;
  readonly schema: Schema;
  ask(client: DiscoveryLink["client"], signal: AbortSignal): AsyncIterable<MessageShape<Schema>>;
  /** Throws if the message is invalid. */
  read(message: MessageShape<Schema>): Value;
  readonly listener: (value: Value) => void;
}

export interface WatchDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Consulted before each log line: an application that dials many addresses opens many watches. */
  readonly limitLog: LogLimiter;
  /** A response has arrived, so connection and certificate are good. */
  onResponse(): void;
  /** A stream has failed. True: the connection is closed and another one will be attached. */
  onFailure(link: DiscoveryLink, error: unknown): boolean;
}

interface Stream {
  readonly link: DiscoveryLink;
  readonly abort: AbortController;
  /** Called when the stream has its first response. */
  readonly onMoved: () => void;
}

/** How long until a missing response is logged. */
const SILENCE_MS = 10_000;

/**
 * Keeps one watch open, on the current connection. When it moves to a new connection, the old stream is closed after
 * the new one's first response. The listener receives values that differ from the last one; while the control plane is
 * unreachable, it keeps the last one.
 */
export class DiscoveryWatch<Schema extends DescMessage, Value> {
  readonly #question: Question<Schema, Value>;
  readonly #deps: WatchDeps;
  readonly #backoff: Backoff;
  #stream: Stream | undefined;
  #replaced: Stream | undefined;
  #retry: Timer | undefined;
  #silence: Timer | undefined;
  #lastBytes: Uint8Array | undefined;

  constructor(question: Question<Schema, Value>, deps: WatchDeps) {
    this.#question = question;
    this.#deps = deps;
    this.#backoff = createBackoff({ random: deps.random });
    this.#silence = deps.clock.setTimeout(() => this.#reportSilence(), SILENCE_MS);
  }

  /** Opens the watch on this connection. Resolves at its first response, or when the watch is closed. */
  attach(link: DiscoveryLink): Promise<void> {
    this.#retry?.cancel();
    this.#replaced?.abort.abort();
    this.#replaced = this.#stream;
    return new Promise((resolve) => {
      const stream: Stream = { link, abort: new AbortController(), onMoved: resolve };
      stream.abort.signal.addEventListener("abort", () => resolve(), { once: true });
      this.#stream = stream;
      void this.#read(stream);
    });
  }

  close(): void {
    this.#silence?.cancel();
    this.#retry?.cancel();
    this.#replaced?.abort.abort();
    this.#stream?.abort.abort();
    this.#stream = undefined;
  }

  async #read(stream: Stream): Promise<void> {
    const { signal } = stream.abort;
    try {
      for await (const message of this.#question.ask(stream.link.client, signal)) {
        if (signal.aborted) return;
        this.#settle(stream);
        this.#deliver(message);
      }
      this.#fail(stream, new Error("the control plane ended the stream"));
    } catch (caught) {
      this.#fail(stream, caught);
    }
  }

  #settle(stream: Stream): void {
    if (stream !== this.#stream) return;
    this.#replaced?.abort.abort();
    this.#replaced = undefined;
    this.#silence?.cancel();
    this.#backoff.reset();
    this.#deps.onResponse();
    stream.onMoved();
  }

  #fail(stream: Stream, error: unknown): void {
    // The end of a replaced or closed stream is ignored.
    if (stream !== this.#stream || stream.abort.signal.aborted) return;
    if (this.#deps.onFailure(stream.link, error)) return;
    const waitMs = this.#backoff.next();
    const { message } = MeshError.from(error);
    this.#write("warn", { waitMs: Math.round(waitMs) }, `retrying: ${message}`);
    this.#retry = this.#deps.clock.setTimeout(() => {
      if (stream === this.#stream) void this.#restart(stream);
    }, waitMs);
  }

  async #restart(failed: Stream): Promise<void> {
    const stream: Stream = { ...failed, abort: new AbortController() };
    this.#stream = stream;
    await this.#read(stream);
  }

  #deliver(message: MessageShape<Schema>): void {
    const { schema, read, listener } = this.#question;
    try {
      const bytes = toBinary(schema, message);
      if (this.#lastBytes !== undefined && Buffer.compare(bytes, this.#lastBytes) === 0) return;
      const value = read(message);
      this.#lastBytes = bytes;
      listener(value);
    } catch (caught) {
      const { code, message: reason } = MeshError.from(caught);
      this.#write("error", { code }, `an invalid response was ignored, the last one stays in force: ${reason}`);
    }
  }

  #reportSilence(): void {
    this.#write(
      "warn",
      {},
      `no response within ${SILENCE_MS} ms: the control plane is unreachable, or does not know this pod yet`,
    );
  }

  #write(level: "warn" | "error", fields: LogFields, message: string): void {
    const { log, limitLog } = this.#deps;
    const { isGranted, heldBack } = limitLog("discovery");
    if (isGranted) log[level]({ question: this.#question.name, ...fields, heldBack }, message);
  }
}
