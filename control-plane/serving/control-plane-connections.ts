import type { Http2Session, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { formatCaller, type PeerContext, type ProvenCaller, type VerifiedPeer } from "../../mesh/api/peer-context.ts";
import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import { plainAddress } from "../../net/client-address.ts";
import { FairPlaces } from "../../net/fair-places.ts";
import { startWallTimer } from "../../net/wall-timer.ts";
import { CallerTraffic } from "./caller-traffic.ts";
import type { ConnectionLimits } from "./control-plane-limits.ts";
import type { ControlPlaneMetrics } from "./control-plane-metrics.ts";
import { startKeepalive } from "./keepalive.ts";
import { NewConnections } from "./new-connections.ts";

/** A verdict takes about half a millisecond. */
const JUDGED_AT_ONCE = 16;

/** The control plane's open connections, from accept to close, with their peers. */
export interface ControlPlaneConnections {
  opened(socket: Socket): void;
  established(session: ServerHttp2Session, peer: PeerContext): void;
  /** A call of this session has proved who its caller is, who has no certificate yet. */
  proven(session: Http2Session, caller: ProvenCaller): void;
  /** The current peer. A certificate that has expired since the handshake no longer counts. */
  peerOf(session: Http2Session | undefined): PeerContext;
  /**
   * Judges verified peers again, a few at a time, and ends the connections of those that no longer are.
   * @param isConcerned a cheap look at each, before its signatures are verified. @default every peer is
   */
  judgeAgain(judge: (session: ServerHttp2Session) => PeerContext, isConcerned?: (peer: VerifiedPeer) => boolean): void;
  readonly size: number;
  /**
   * Closes all connections, one after another within `closeSpreadMs`: thousands of clients must not connect elsewhere in
   * the same moment. Each may finish its calls.
   */
  closeAll(): void;
}

interface Connection {
  readonly socket: Socket;
  /** The client's. */
  readonly ip: string;
  session: ServerHttp2Session | undefined;
  /** Whether it no longer counts for its address. */
  isProven: boolean;
  timer: Timer;
}

/**
 * Keeps unauthenticated clients from crowding out others. When too many connections without a verified peer are open,
 * the address with the most loses its oldest: a sidecar needs one, for as long as its token is judged, and a pod that
 * holds many, or opens ever new ones, displaces only its own.
 */
export function createControlPlaneConnections(deps: ConnectionsDeps): ControlPlaneConnections {
  return new TrackedConnections(deps);
}

export interface ConnectionsDeps {
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: ControlPlaneMetrics | undefined;
}

class TrackedConnections implements ControlPlaneConnections {
  readonly #limits: ConnectionLimits;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: ControlPlaneMetrics | undefined;
  readonly #peers = new WeakMap<Http2Session, PeerContext>();
  /** By the peer's address and port: a session exposes its socket only through a proxy object. */
  readonly #connections = new Map<string, Connection>();
  /** By the client's address. */
  readonly #unverified = new FairPlaces<Connection>();
  /** By caller, oldest first. */
  readonly #verified = new Map<string, Set<Connection>>();
  readonly #traffic: CallerTraffic<Connection>;
  readonly #arrivals: NewConnections;

  constructor({ limits, clock, log, metrics }: ConnectionsDeps) {
    this.#limits = limits;
    this.#clock = clock;
    this.#log = log;
    this.#metrics = metrics;
    this.#arrivals = new NewConnections({ limits, clock, metrics });
    this.#traffic = new CallerTraffic({
      ...{ limits, clock },
      connections: () => this.#connections.values(),
      measure: (connection) => ({ caller: this.#callerOf(connection), bytesRead: connection.socket.bytesRead }),
      onTooMuch: ({ socket }) => {
        this.#metrics?.connectionRefused("too_much_traffic");
        socket.destroy();
      },
    });
  }

  opened(socket: Socket): void {
    if (!this.#arrivals.admit(socket)) return;
    const key = addressOf(socket);
    const timer = this.#clock.setTimeout(() => this.#endOverstayed(connection), this.#limits.unverifiedLifetimeMs);
    const connection: Connection = { socket, ip: plainAddress(socket), session: undefined, isProven: false, timer };
    this.#connections.set(key, connection);
    this.#unverified.add(connection.ip, connection);
    socket.on("close", () => {
      connection.timer.cancel();
      this.#unverified.delete(connection.ip, connection);
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
      if (this.#connections.size === 0) this.#traffic.stop();
    });
    if (this.#unverified.size > this.#limits.maxUnverifiedConnections) this.#displaceOne();
    this.#traffic.watch();
  }

  established(session: ServerHttp2Session, peer: PeerContext): void {
    this.#peers.set(session, peer);
    const connection = session.socket === undefined ? undefined : this.#connections.get(addressOf(session.socket));
    if (connection === undefined) return;
    connection.session = session;
    connection.isProven = peer.kind === "verified";
    if (peer.kind === "anonymous") return;
    this.#unverified.delete(connection.ip, connection);
    connection.timer.cancel();
    connection.timer = startWallTimer(this.#clock, peer.notAfterMs, () => this.#end(connection));
    this.#arrivals.proven(connection.ip, formatCaller(peer));
    this.#countCaller(formatCaller(peer), connection);
    const { socket } = connection;
    const onDead = (): void => {
      this.#metrics?.connectionRefused("no_ping_response");
      socket.destroy();
    };
    const stop = startKeepalive(session, this.#limits, { clock: this.#clock, onDead });
    socket.on("close", stop);
  }

  proven({ socket }: Http2Session, caller: ProvenCaller): void {
    const connection = socket === undefined ? undefined : this.#connections.get(addressOf(socket));
    if (connection === undefined || connection.isProven) return;
    connection.isProven = true;
    this.#arrivals.proven(connection.ip, formatCaller(caller));
  }

  peerOf(session: Http2Session | undefined): PeerContext {
    const peer = session === undefined ? undefined : this.#peers.get(session);
    if (peer === undefined) {
      const address = plainAddress(session?.socket ?? {});
      return { kind: "anonymous", reason: "unknown connection", address };
    }
    if (peer.kind === "anonymous" || this.#clock.now() <= peer.notAfterMs) return peer;
    const reason = `the certificate of ${peer.identity} has expired since the handshake`;
    return { kind: "anonymous", reason, address: peer.address };
  }

  judgeAgain(
    judge: (session: ServerHttp2Session) => PeerContext,
    isConcerned: (peer: VerifiedPeer) => boolean = () => true,
  ): void {
    const open = [...this.#verified.values()].flatMap((ofCaller) => [...ofCaller]);
    const due = open.filter(({ session }) => {
      const peer = session && this.#peers.get(session);
      return peer?.kind === "verified" && isConcerned(peer);
    });
    const judgeSome = (): void => {
      for (const connection of due.splice(0, JUDGED_AT_ONCE)) this.#judge(connection, judge);
      if (due.length > 0) setImmediate(judgeSome);
    };
    judgeSome();
  }

  get size(): number {
    return this.#connections.size;
  }

  closeAll(): void {
    this.#traffic.stop();
    const all = [...this.#connections.values()];
    for (const [index, connection] of all.entries()) {
      const waitMs = (index / all.length) * this.#limits.closeSpreadMs;
      if (waitMs < 1) this.#end(connection);
      else {
        connection.timer.cancel();
        connection.timer = this.#clock.setTimeout(() => this.#end(connection), waitMs);
      }
    }
  }

  #callerOf({ session, ip }: Connection): string {
    const peer = session && this.#peers.get(session);
    return peer === undefined ? ip : formatCaller(peer);
  }

  #displaceOne(): void {
    const displaced = this.#unverified.takeNext();
    if (displaced === undefined) return;
    this.#log.debug(
      { component: "control-plane", address: displaced.ip },
      "ended one of too many connections without a verified peer",
    );
    this.#metrics?.connectionRefused("displaced");
    displaced.socket.destroy();
  }

  #countCaller(caller: string, connection: Connection): void {
    const open = this.#verified.get(caller) ?? new Set();
    this.#verified.set(caller, open);
    open.add(connection);
    connection.socket.on("close", () => {
      open.delete(connection);
      if (open.size === 0 && this.#verified.get(caller) === open) this.#verified.delete(caller);
    });
    const [oldest] = open;
    if (oldest === undefined || open.size <= this.#limits.maxConnectionsPerCaller) return;
    this.#metrics?.connectionRefused("too_many_of_caller");
    open.delete(oldest);
    oldest.socket.destroy();
  }

  #judge(connection: Connection, judge: (session: ServerHttp2Session) => PeerContext): void {
    const { session, socket } = connection;
    if (session === undefined || session.destroyed || socket.destroyed) return;
    const peer = judge(session);
    if (peer.kind === "verified") return;
    // Calls that begin before the connection has ended are refused.
    this.#peers.set(session, peer);
    this.#metrics?.connectionRefused("no_longer_trusted");
    this.#end(connection, this.#limits.untrustedGraceMs);
  }

  #endOverstayed(connection: Connection): void {
    this.#metrics?.connectionRefused("overstayed");
    this.#end(connection);
  }

  #end(connection: Connection, graceMs = this.#limits.closeGraceMs): void {
    connection.timer.cancel();
    if (connection.session === undefined || connection.session.closed) {
      connection.socket.destroy();
      return;
    }
    connection.timer = this.#clock.setTimeout(() => connection.socket.destroy(), graceMs);
    connection.session.close();
  }
}

function addressOf(socket: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
