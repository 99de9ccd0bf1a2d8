import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MeshError } from "../../../mesh/mesh-error.ts";
import { isProven } from "../../connections/delivery-proof.ts";
import { UpstreamError } from "../../connections/upstream-dialer.ts";
import type { Http1Fault, ResponseEvent } from "../../http1/framer-events.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import { ResponseFramer } from "../../http1/response-framer.ts";
import type { ResponseContext } from "../../http1/scanning/scan-response-head.ts";
import type { ResponseHead } from "../../messages/message-head.ts";
import { guardEvents } from "../fault-guard.ts";
import { WrappingStream } from "../wrapping-stream.ts";

export interface FramedUpstreamOptions {
  readonly limits: Http1Limits;
  /** The server's sidecar reports that its application gave no response. `undefined`: the server is not verified. */
  readonly onReport: (() => void) | undefined;
  /** Why the connection ends, if the proxy has ended it for a reason that its request should receive. */
  readonly faultOf: () => Error | undefined;
  /** A listener of the connection threw; it is being destroyed. */
  readonly onFault: (caught: unknown) => void;
}

/**
 * A connection to an upstream as given to Node's HTTP client: the sidecar's framer in front of Node's parser decides
 * where a response ends and forwards its canonical form. After an upgrade bytes pass through unchanged. It implements
 * what Node's agent and http-proxy call on a socket.
 */
export class FramedUpstream extends WrappingStream {
  readonly #framer: ResponseFramer;
  readonly #onReport: (() => void) | undefined;
  readonly #faultOf: () => Error | undefined;
  #isTunnel = false;

  constructor(socket: Duplex, options: FramedUpstreamOptions) {
    super(socket);
    const { limits, onReport, faultOf, onFault } = options;
    this.#onReport = onReport;
    this.#faultOf = faultOf;
    const fail = (caught: unknown): void => {
      onFault(caught);
      this.destroy(MeshError.from(caught));
    };
    guardEvents(socket, fail);
    guardEvents(this, fail);
    this.#framer = new ResponseFramer(limits);
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", this.#onClose);
  }

  /** The next response belongs to this request. */
  expect(request: ResponseContext): void {
    this.#framer.expect(request);
  }

  get timeout(): number | undefined {
    return this.#tcp?.timeout;
  }

  /** As in `net.Socket`: with 0 there is no limit, and the listener is removed. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    this.#tcp?.setTimeout(timeoutMs);
    if (onTimeout === undefined) return this;
    return timeoutMs === 0 ? this.off("timeout", onTimeout) : this.once("timeout", onTimeout);
  }

  setNoDelay(isOn?: boolean): this {
    this.#tcp?.setNoDelay(isOn);
    return this;
  }

  setKeepAlive(isOn?: boolean, initialDelayMs?: number): this {
    this.#tcp?.setKeepAlive(isOn, initialDelayMs);
    return this;
  }

  ref(): this {
    this.#tcp?.ref();
    return this;
  }

  unref(): this {
    this.#tcp?.unref();
    return this;
  }

  /** Closes it when everything is written. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  get #tcp(): Socket | undefined {
    return this.socket instanceof Socket ? this.socket : undefined;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isTunnel) this.#give(chunk);
    else for (const event of this.#framer.push(chunk)) this.#onEvent(event);
  };

  /** Only a tunnel continues after one side has half-closed. */
  readonly #onEnd = (): void => {
    this.push(null);
    if (!this.#isTunnel) this.socket.end();
  };

  /** What has been read is delivered to the client, even if the connection is closed. */
  readonly #onClose = (): void => {
    if (this.socket.readableEnded && this.readableLength > 0) this.once("end", () => this.destroy());
    else this.destroy(this.#isTunnel ? undefined : this.#faultOf());
  };

  #onEvent(event: ResponseEvent): void {
    switch (event.kind) {
      case "head":
        if (this.#failWithReport(event.head)) return;
        this.#give(Buffer.from(event.head.fields.text, "latin1"));
        if (event.head.status === 101) this.#isTunnel = true;
        break;
      case "body":
        this.#give(event.bytes);
        break;
      case "end":
        if (this.#isTunnel) this.#give(this.#framer.takeRest());
        break;
      case "fault":
        if (event.fault.code === "unasked_response") this.#leave();
        else this.destroy(errorFrom(event.fault));
        break;
    }
  }

  /** A report is an error of the attempt, so that it is retried or gets a local reply. */
  #failWithReport(head: ResponseHead): boolean {
    const { report } = head;
    if (report === undefined || this.#onReport === undefined || !isProven(report.proof, this.socket)) return false;
    const { outcome } = report;
    this.#onReport();
    this.destroy(new UpstreamError(outcome, `the endpoint's sidecar got no response of its application (${outcome})`));
    return true;
  }

  /** Bytes after a complete response end the connection, and the response still arrives. */
  #leave(): void {
    this.socket.pause();
    if (this.readableLength === 0) return void this.destroy();
    this.once("end", () => this.destroy());
    this.push(null);
  }

  #give(bytes: Buffer): void {
    if (bytes.length > 0 && !this.destroyed && !this.push(bytes)) this.socket.pause();
  }
}

function errorFrom({ code, message }: Http1Fault): UpstreamError {
  switch (code) {
    case "head_too_large":
      return new UpstreamError("upstream_head_too_large", message);
    case "too_many_fields":
      return new UpstreamError("upstream_too_many_fields", message);
    default:
      return new UpstreamError("upstream_malformed", message);
  }
}
