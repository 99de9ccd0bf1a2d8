import { Agent, type ClientRequest, type ClientRequestArgs } from "node:http";
import type { RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { HostTarget } from "../../../mesh/policy/routing/host-target.ts";
import { type UpstreamConnection, type UpstreamDialer, UpstreamError } from "../../connections/upstream-dialer.ts";
import { HTTP1_LIMITS, type Http1Limits } from "../../http1/http1-limits.ts";
import type { ReportFault } from "../fault-guard.ts";
import { FramedUpstream } from "./framed-upstream.ts";

export interface UpstreamPoolOptions {
  readonly dialer: UpstreamDialer;
  readonly reportFault: ReportFault;
  /**
   * The idle timeout of a connection. Must be shorter than the servers' own (Node: 5 s), or a request could meet a
   * connection that is just being closed. @default 4000
   */
  readonly idleMs?: number;
  /** How many idle connections one target may have. @default 64 */
  readonly maxIdle?: number;
  /** @default HTTP1_LIMITS */
  readonly messageLimits?: Http1Limits;
}

/** Connections to services that are kept between requests, by target. */
export interface UpstreamPool {
  agentFor(target: HostTarget): UpstreamAgent;
  /** Closes idle connections that are no longer current: after a new certificate, bundle or destination. */
  closeStale(): void;
  /** Closes the pools of targets that are no longer configured. */
  keepOnly(targets: readonly HostTarget[]): void;
  /** Closes everything, idle or not, and aborts dialling. */
  close(): void;
}

/** Creates the pool. A connection serves one request at a time and is never shared between targets or subsets. */
export function createUpstreamPool(options: UpstreamPoolOptions): UpstreamPool {
  const agents = new Map<string, UpstreamAgent>();
  const stopping = new AbortController();
  const drop = (key: string, agent: UpstreamAgent): void => {
    agent.retire();
    agents.delete(key);
  };
  return {
    agentFor(target) {
      const key = keyOf(target);
      const known = agents.get(key);
      if (known !== undefined) return known;
      const agent = new UpstreamAgent(target, options, stopping.signal);
      agents.set(key, agent);
      return agent;
    },
    closeStale: () => {
      for (const agent of agents.values()) agent.closeStale();
    },
    keepOnly(targets) {
      const wanted = new Set(targets.map(keyOf));
      for (const [key, agent] of agents) if (!wanted.has(key)) drop(key, agent);
    },
    close() {
      stopping.abort();
      for (const [key, agent] of agents) {
        drop(key, agent);
        agent.destroy();
      }
    },
  };
}

/** Node's own connection pool, for one target, with the mesh's dialler. */
export class UpstreamAgent extends Agent {
  readonly #target: HostTarget;
  readonly #dialer: UpstreamDialer;
  readonly #signal: AbortSignal;
  readonly #messageLimits: Http1Limits;
  readonly #onFault: (caught: unknown) => void;
  readonly #connections = new WeakMap<Duplex, UpstreamConnection>();
  #isRetired = false;

  constructor(target: HostTarget, options: UpstreamPoolOptions, signal: AbortSignal) {
    super({ keepAlive: true, timeout: options.idleMs ?? 4000, maxFreeSockets: options.maxIdle ?? 64 });
    this.#target = target;
    this.#dialer = options.dialer;
    this.#signal = signal;
    this.#messageLimits = options.messageLimits ?? HTTP1_LIMITS;
    this.#onFault = (caught) => options.reportFault(caught, "an upstream's connection");
  }

  override getName(): string {
    return keyOf(this.#target);
  }

  override addRequest(request: ClientRequest, options: RequestOptions): void {
    this.closeStale();
    super.addRequest(request, options);
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    this.#dial()
      .then((connection) => this.#frame(connection))
      .then(
        (framed) => callback?.(null, framed),
        // Node's types require a socket even with an error; Node itself ignores it.
        (caught: unknown) => Reflect.apply(callback ?? ignore, undefined, [MeshError.from(caught)]),
      )
      .catch(this.#onFault);
    return undefined;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const verdict: unknown = super.keepSocketAlive(socket);
    // Unsolicited bytes would become the response to the next request (RFC 9112, section 9.2).
    return verdict !== false && socket.readableLength === 0 && this.#isReusable(socket);
  }

  closeStale(): void {
    this.#closeIdle((socket) => !this.#isReusable(socket));
  }

  /** Closes every idle connection; used before a retry, which must not meet another dead one. */
  closeIdle(): void {
    this.#closeIdle(() => true);
  }

  connectionOf(socket: Duplex): UpstreamConnection | undefined {
    return this.#connections.get(socket);
  }

  /** Keeps no connection from now on. */
  retire(): void {
    this.#isRetired = true;
    this.closeStale();
  }

  #frame(connection: UpstreamConnection): FramedUpstream {
    const framed = new FramedUpstream(connection.socket, {
      limits: this.#messageLimits,
      onReport: (connection.peer ?? "") === "" ? undefined : () => connection.avoid?.(),
      faultOf: () =>
        connection.cutReason?.() === "revoked" ? new UpstreamError("upstream_revoked", REVOKED) : undefined,
      onFault: this.#onFault,
    });
    this.#connections.set(framed, connection);
    connection.onChange?.(() => this.closeStale());
    return framed;
  }

  async #dial(): Promise<UpstreamConnection> {
    const dialed = await this.#dialer.dial(this.#target, this.#signal);
    if (dialed.kind === "connected") return dialed;
    throw new UpstreamError(dialed.reason, dialed.message);
  }

  #isReusable(socket: Duplex): boolean {
    return !this.#isRetired && this.#connections.get(socket)?.isCurrent() === true;
  }

  #closeIdle(condition: (socket: Duplex) => boolean): void {
    const idle = Object.values(this.freeSockets).flatMap((sockets) => sockets ?? []);
    for (const socket of idle) if (condition(socket)) socket.destroy();
  }
}

const REVOKED = "the server's certificate or identity was revoked, and the connection to it was cut";

function ignore(): void {}

function keyOf({ host, port, subset }: HostTarget): string {
  return `${host}|${port}|${subset}`;
}
