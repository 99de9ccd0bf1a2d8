import type { Socket } from "node:net";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { ConnectionObserver, MalformedRequest, RefusedConnection } from "./connection-observer.ts";
import type { ConnectionRegistry, ConnectionStage, OpenConnection } from "./connection-registry.ts";
import { Ending } from "./ending.ts";
import type { VerifiedPeer } from "./handshake.ts";
import { type Activity, ConnectionCapacity, type CountedConnection } from "./limits/connection-capacity.ts";
import { abortSocket, type CutReason, type Relay, type RelayEnd } from "./relay.ts";

export interface AcceptedConnection {
  readonly direction: OpenConnection["direction"];
  readonly socket: Socket;
  /** `ip:port`. */
  readonly client: string;
  readonly destination: OpenConnection["destination"];
  /** By the monotonic clock. */
  readonly openedAtMs: number;
  /** `INBOUND_POLICY`, or the key of the destination. */
  readonly policyKey: string;
}

export interface TrackedConnectionDeps {
  readonly registry: ConnectionRegistry;
  readonly observer: RefusalObserver;
}

type RefusalObserver = Pick<ConnectionObserver, "refused" | "malformed">;

/** What has been decided about a connection. Omitted fields stay as they are. */
export interface ConnectionTerms {
  readonly stage?: ConnectionStage;
  readonly peer?: VerifiedPeer | undefined;
  readonly rule?: string;
  readonly host?: string;
  readonly endpoint?: OpenConnection["endpoint"];
  readonly isAllowed?: () => boolean;
}

/** How a connection is forwarded from now on, and what it does now. @default it is busy */
export interface ConnectionForwarding extends Relay, Partial<Activity> {
  bytes(): ReturnType<OpenConnection["bytes"]>;
  /** Judges the requests on it again. */
  judgeRequests?(): void;
}

/**
 * The record of one connection from accept to close. It is in the registry all the time, so that it is shown, counted
 * and judged whenever the policy changes, even while it is still being opened.
 */
export class TrackedConnection implements OpenConnection, CountedConnection, Relay {
  readonly direction: OpenConnection["direction"];
  readonly client: string;
  readonly destination: OpenConnection["destination"];
  readonly openedAtMs: number;
  readonly policyKey: string;
  readonly #registry: ConnectionRegistry;
  readonly #observer: RefusalObserver;
  /** Closed with the connection until a relay has taken over. */
  #sockets: readonly Socket[];
  #stage: ConnectionStage = "accepted";
  #peer: VerifiedPeer | undefined;
  #rule = "";
  #host = "";
  #endpoint: OpenConnection["endpoint"];
  #isAllowed: () => boolean = allow;
  #forwarding: ConnectionForwarding | undefined;
  #cutReason: CutReason | undefined;
  readonly #ending = new Ending<RelayEnd>();

  constructor(accepted: AcceptedConnection, { registry, observer }: TrackedConnectionDeps) {
    const { direction, client, destination, openedAtMs, policyKey, socket } = accepted;
    this.direction = direction;
    this.client = client;
    this.destination = destination;
    this.openedAtMs = openedAtMs;
    this.policyKey = policyKey;
    this.#registry = registry;
    this.#observer = observer;
    this.#sockets = [socket];
    this.#endpoint = destination;
    registry.add(this);
  }

  get stage(): ConnectionStage {
    return this.#stage;
  }

  get peer(): VerifiedPeer | undefined {
    return this.#peer;
  }

  get rule(): string {
    return this.#rule;
  }

  get host(): string {
    return this.#host;
  }

  get endpoint(): OpenConnection["endpoint"] {
    return this.#endpoint;
  }

  get cutReason(): CutReason | undefined {
    return this.#cutReason;
  }

  /** Whether it has ended. Check after each await: a policy change may have ended it. */
  get isOver(): boolean {
    return this.#ending.isOver;
  }

  onEnd(listener: (end: RelayEnd) => void): void {
    this.#ending.onEnd(listener);
  }

  /** Whether it could be closed without loss: nothing has been delivered, or it waits for its next request. */
  get isIdle(): boolean {
    return this.#forwarding === undefined || this.#forwarding.isIdle === true;
  }

  get awaitsBodySinceMs(): number | undefined {
    return this.#forwarding?.awaitsBodySinceMs;
  }

  get isVerified(): boolean {
    return this.peer !== undefined;
  }

  get relay(): Relay {
    return this;
  }

  isAllowed(): boolean {
    return this.#isAllowed();
  }

  /** A failure ends it: what cannot be judged is not carried. */
  judgeRequests(): void {
    try {
      this.#forwarding?.judgeRequests?.();
    } catch (caught) {
      this.refuseFault(caught);
    }
  }

  bytes(): ReturnType<OpenConnection["bytes"]> {
    return this.#forwarding?.bytes() ?? NO_BYTES;
  }

  /** Names the connection in a report. */
  #describe(reason: string, message: string): MalformedRequest {
    const { direction, client, destination } = this;
    return { direction, client, destination: formatSocketAddress(destination), reason, message };
  }

  /** Ends it and reports the reason, unless it has ended. */
  refuse(stage: RefusedConnection["stage"], reason: string, message: string): undefined {
    if (this.isOver) return;
    this.cut();
    this.#observer.refused({ ...this.#describe(reason, message), stage });
  }

  /** Refuses it because of an exception that its handler threw. */
  refuseFault(caught: unknown): void {
    this.refuse("proxy", "proxy_fault", `an exception of the proxy: ${MeshError.from(caught).message}`);
  }

  /** Cuts it because its client's bytes must not be delivered, and reports the reason. */
  cutMalformed({ reason, message }: Pick<MalformedRequest, "reason" | "message">): void {
    this.cut();
    this.reportMalformed(reason, message);
  }

  /** Reports a malformed request that got a local reply. */
  reportMalformed(reason: string, message: string): void {
    this.#observer.malformed(this.#describe(reason, message));
  }

  /** Adopts a socket that was opened for it, to be closed with it. */
  hold(socket: Socket): void {
    if (this.isOver) abortSocket(socket);
    else this.#sockets = [...this.#sockets, socket];
  }

  /** Records what was decided, and judges the connection at once: the policy may have changed in the meantime. */
  decide(terms: ConnectionTerms): void {
    this.#stage = terms.stage ?? this.#stage;
    this.#rule = terms.rule ?? this.#rule;
    this.#host = terms.host ?? this.#host;
    this.#endpoint = terms.endpoint ?? this.#endpoint;
    this.#isAllowed = terms.isAllowed ?? this.#isAllowed;
    if ("peer" in terms) this.#peer = terms.peer;
    if (!this.isOver) this.#registry.judge(this);
  }

  /** Whether it may carry another request; judges it if it waits for that, since a change of trust. */
  mayCarry(): boolean {
    if (!this.isOver) this.#registry.settle(this);
    return !this.isOver;
  }

  /**
   * Starts forwarding with the relay that `start` returns, if the current policy allows the connection. `start` is the
   * first that may write to the other side.
   */
  carry(terms: ConnectionTerms, start: () => ConnectionForwarding): void {
    this.#stage = "open";
    this.decide(terms);
    if (this.isOver) return;
    const forwarding = start();
    this.#forwarding = forwarding;
    this.#sockets = [];
    forwarding.onEnd((end) => this.#ending.report(end));
  }

  /** Resets it on both sides. */
  cut(reason?: CutReason): void {
    if (!this.isOver) this.#cutReason ??= reason;
    this.#forwarding?.cut(reason);
    if (this.#forwarding !== undefined) return;
    for (const socket of this.#sockets) abortSocket(socket);
    this.#ending.report("closed_by_proxy");
  }
}

export interface CapturedCapacityOptions {
  readonly limit: number;
  readonly clock: Clock;
  readonly observer: Pick<ConnectionObserver, "cut">;
}

/** Bounds captured connections. One that must make room is cut and logged. */
export function createCapturedCapacity(options: CapturedCapacityOptions): ConnectionCapacity<TrackedConnection> {
  const { limit, clock, observer } = options;
  const displace = (connection: TrackedConnection): void => {
    observer.cut(connection, "displaced");
    connection.cut("displaced");
  };
  return new ConnectionCapacity({ limit, clock, displace });
}

const NO_BYTES = { received: 0, sent: 0 } as const;

function allow(): boolean {
  return true;
}
