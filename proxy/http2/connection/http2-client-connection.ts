import { CLIENT_PREFACE } from "../frames/frame-types.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../http2-limits.ts";
import type { Http2ResponseHead } from "../message-head.ts";
import { ConnectionCore } from "./connection-core.ts";
import type { OutputFields } from "./header-block-writer.ts";
import { Http2Connection } from "./http2-connection.ts";
import { Http2Stream } from "./http2-stream.ts";
import { ResponseReceiver } from "./response-receiver.ts";

/** The parts of a request's head; for CONNECT, `scheme` and `path` are empty unless `protocol` is defined (RFC 8441). */
export interface OutgoingRequest {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly protocol?: string | undefined;
  readonly fields: OutputFields;
}

/** The client's side of a connection: requests out, responses in. Its first output is the preface with SETTINGS. */
export class Http2ClientConnection<Context> extends Http2Connection<Http2ResponseHead, Context> {
  /** @param options.nowMs the present time of the clock that `receive` and `expire` use. */
  constructor({ limits = HTTP2_LIMITS, nowMs }: { readonly limits?: Http2Limits; readonly nowMs: number }) {
    const core = new ConnectionCore<Http2ResponseHead, Context>("client", {
      limits,
      nowMs,
      allowsExtendedConnect: false,
    });
    core.slab.append(CLIENT_PREFACE);
    super(core, new ResponseReceiver(core));
  }

  /** How many more requests may be opened now; 0 after a GOAWAY of either side. Before the server's SETTINGS: 100. */
  get capacity(): number {
    const { drain, streams, peer } = this.core;
    if (!drain.isOpen || streams.nextId === undefined) return 0;
    return Math.max(0, peer.maxConcurrentStreams - streams.active);
  }

  /** Whether no request will ever be opened again: the pool must dial another connection. */
  get isExhausted(): boolean {
    return !this.core.drain.isOpen || this.core.streams.nextId === undefined;
  }

  /** Whether the server accepts extended CONNECT (RFC 8441 §3). */
  get allowsExtendedConnect(): boolean {
    return this.core.peer.allowsExtendedConnect;
  }

  /**
   * Opens a stream with a request's head. @param endsStream it is the whole request.
   * @returns `undefined`: there is no capacity.
   */
  request(request: OutgoingRequest, endsStream: boolean, context?: Context): Http2Stream<Context> | undefined {
    const { core } = this;
    const id = core.streams.nextId;
    if (id === undefined || this.capacity === 0) return undefined;
    const stream = new Http2Stream<Context>(id, {
      remote: "head",
      local: endsStream ? "ended" : "content",
      receiveWindow: core.windows.initialStreamWindow,
      sendWindow: core.peer.initialWindowBytes,
      context,
    });
    stream.isWithoutContent = request.method === "HEAD";
    core.streams.open(id);
    core.streams.add(stream);
    core.guard.countStream();
    this.#writeHead(id, request, endsStream);
    return stream;
  }

  /** Opens no more requests: GOAWAY; a `drained` event follows the last stream. */
  drain(): void {
    if (this.core.drain.isUnannounced) this.core.writeFinalGoaway();
  }

  #writeHead(id: number, request: OutgoingRequest, endsStream: boolean): void {
    const { headers } = this.core;
    headers.begin();
    headers.field(":method", request.method);
    if (request.protocol !== undefined) headers.field(":protocol", request.protocol);
    if (request.scheme !== "") headers.field(":scheme", request.scheme);
    headers.field(":authority", request.authority);
    if (request.path !== "") headers.field(":path", request.path);
    request.fields.writeTo(headers);
    headers.end(id, endsStream);
  }
}
