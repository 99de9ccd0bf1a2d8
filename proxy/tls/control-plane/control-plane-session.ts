import type { X509Certificate } from "node:crypto";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, Timer } from "../../../mesh/runtime.ts";
import { afterInput } from "../../../net/after-input.ts";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

export interface SessionOptions {
  /** `https://host:port` */
  readonly url: string;
  readonly tls: ConnectionOptions;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly pingIntervalMs: number;
  /** Gives up while connecting. */
  readonly signal: AbortSignal;
}

/**
 * One HTTP/2 connection for a gRPC transport: it never reconnects by itself, so its owner knows which certificate was
 * presented on it, and it reports its end. (The transport's own manager pings sessions that it has closed, which throws
 * from a timer.) Every time limit here ends its own wait and destroys the socket: `destroy()` of Node's HTTP/2 session
 * reports nothing while connecting, and a SYN without a response is repeated for more than two minutes.
 */
export class ControlPlaneSession implements SessionManager {
  readonly authority: string;
  /** Resolves when the server wants no new streams on this connection. */
  readonly draining: Promise<void>;
  /** Resolves with the reason when the connection has ended. */
  readonly closed: Promise<string>;
  readonly #socket: TLSSocket;
  readonly #session: ClientHttp2Session;
  readonly #options: SessionOptions;
  #isDraining = false;
  #isOver = false;
  #timer: Timer | undefined;
  #reportEnd: (reason: string) => void = () => undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.authority = new URL(options.url).origin;
    this.#socket = openSocket(options);
    this.#session = connectHttp2(options.url, { createConnection: () => this.#socket });
    this.draining = new Promise((resolve) => {
      this.#session.on("goaway", () => {
        this.#isDraining = true;
        resolve();
      });
    });
    this.closed = new Promise((resolve) => {
      this.#reportEnd = resolve;
    });
    let reason = "the control plane closed the connection";
    for (const end of [this.#session, this.#socket]) {
      end.on("error", (error: Error) => {
        reason = MeshError.from(error).message;
      });
      end.on("close", () => this.close(reason));
    }
  }

  /** Resolves once the TLS handshake is complete and the server verified. Rejects with the reason. */
  static async open(options: SessionOptions): Promise<ControlPlaneSession> {
    const { url, clock, timeoutMs, signal } = options;
    signal.throwIfAborted();
    const opened = new ControlPlaneSession(options);
    const session = opened.#session;
    const timer = clock.setTimeout(() => opened.close(`${url} did not respond within ${timeoutMs} ms`), timeoutMs);
    const onAbort = (): void => opened.close("the attempt was aborted");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const connected = new Promise<undefined>((resolve) => session.once("connect", () => resolve(undefined)));
      const reason = await Promise.race([connected, opened.closed]);
      if (reason !== undefined) throw new Error(reason);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
    opened.#pingLater();
    return opened;
  }

  /** The server's, verified. */
  get certificate(): X509Certificate | undefined {
    return this.#socket.getPeerX509Certificate();
  }

  /** False when new streams cannot be opened. */
  isAlive(): boolean {
    return !this.#isOver && !this.#isDraining && !this.#session.closed && !this.#session.destroyed;
  }

  /** Ends it and all its streams at once, whatever the library reports later. */
  close(reason?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#reportEnd(reason ?? "the connection was closed here");
    this.#session.destroy(reason === undefined ? undefined : new Error(reason));
    // The session's GOAWAY is sent first; while connecting there is none.
    if (this.#socket.connecting) this.#socket.destroy();
    else setImmediate(() => this.#socket.destroy());
  }

  async request(
    ...[method, path, headers, options]: Parameters<SessionManager["request"]>
  ): Promise<ClientHttp2Stream> {
    if (!this.isAlive()) throw new ConnectError("the connection to the control plane has ended", Code.Unavailable);
    return this.#session.request({ ...headers, ":method": method, ":path": path }, options);
  }

  notifyResponseByteRead(): void {
    // Pings are sent at a fixed interval, whatever other traffic there is.
  }

  #pingLater(): void {
    const { clock, pingIntervalMs } = this.#options;
    if (!this.#isOver) this.#timer = clock.setTimeout(() => this.#ping(), pingIntervalMs);
  }

  #ping(): void {
    const { clock, pingIntervalMs } = this.#options;
    if (this.#isOver) return;
    const onLate = (): void => this.close(`no response to a ping within ${pingIntervalMs} ms`);
    this.#timer = afterInput(clock, onLate, pingIntervalMs);
    // A ping would throw, from a timer, until the end has been reported.
    if (this.#session.destroyed) return;
    this.#session.ping((error) => {
      // An error also ends the session, which is reported separately.
      if (error !== null) return;
      this.#timer?.cancel();
      this.#pingLater();
    });
  }
}

function openSocket({ url, tls }: SessionOptions): TLSSocket {
  const { hostname, port } = new URL(url);
  // A URL omits 443 because it is the default.
  return connectTls({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 443),
    ...tls,
    ALPNProtocols: ["h2"],
  });
}
