import type { Socket } from "node:net";
import type { Destination, Endpoint, MeshDestination } from "../../mesh/policy/types.ts";
import type { Clock, Random } from "../../mesh/runtime.ts";
import { connectTcp } from "../../net/connect-tcp.ts";
import { formatSocketAddress, type SocketAddress } from "../../net/socket-address.ts";
import type { RefusedConnection } from "../connections/connection-observer.ts";
import type { HandshakeFailure, VerifiedPeer } from "../connections/handshake.ts";
import { abortSocket } from "../connections/relay.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { originateTls, STREAM_ALPN } from "./originate-tls.ts";

/** A connection to an endpoint, verified if it is mutual TLS, on which nothing has been sent yet. */
export interface DialedConnection {
  readonly kind: "connected";
  readonly socket: Socket;
  readonly endpoint: SocketAddress;
  /** The mesh's endpoint; `undefined` for a pass-through address. */
  readonly meshEndpoint: Endpoint | undefined;
  /** `undefined`: plaintext, as the destination's rule requires. */
  readonly peer: VerifiedPeer | undefined;
  /** The protocol that was negotiated; empty: none was. */
  readonly alpn: string;
  /** The generation of the presented SVID; 0 for plaintext. */
  readonly generation: number;
  /** The server name of the handshake; empty for plaintext. */
  readonly sni: string;
}

/** Stable: the `reason` label of refused connections. */
export type DialFailureReason =
  | HandshakeFailure
  | "refused_destination"
  | "no_healthy_endpoint"
  | "no_svid"
  | "connect_failed";

export interface DialFailure {
  readonly kind: "failed";
  readonly reason: DialFailureReason;
  readonly message: string;
}

/** What a dial has come to when it failed. */
export function stageOf(failure: DialFailure): RefusedConnection["stage"] {
  switch (failure.reason) {
    case "refused_destination":
    case "no_healthy_endpoint":
    case "connect_failed":
      return "destination";
    default:
      return "handshake";
  }
}

/** One endpoint of a destination, and how to dial it. */
export interface EndpointDial {
  readonly destination: MeshDestination;
  readonly endpoint: Endpoint;
  /** Offered in the handshake; Istio's servers learn the inner protocol from it. */
  readonly alpnProtocols: readonly string[];
  /** Whether another endpoint is left, so that this one gets less time. */
  readonly isLast: boolean;
  readonly signal: AbortSignal;
}

export interface Dialer {
  /** Dials a destination; `fallback` is the original address, for a pass-through destination. */
  dial(
    destination: Destination,
    fallback: SocketAddress | undefined,
    signal: AbortSignal,
  ): Promise<DialedConnection | DialFailure>;
  /** Dials one endpoint, once. */
  dialEndpoint(dial: EndpointDial): Promise<DialedConnection | DialFailure>;
}

export interface DialerOptions extends DialerLimits {
  readonly secureContexts: SecureContextSource;
  readonly clock: Clock;
  readonly random: Random;
}

export interface DialerLimits {
  /** For one endpoint while another is left. @default 2000 */
  readonly connectTimeoutMs?: number;
  /** For the last endpoint, and for pass-through addresses. @default 10000 */
  readonly lastConnectTimeoutMs?: number;
  /** @default 5000 */
  readonly handshakeTimeoutMs?: number;
  /** How many endpoints are tried at most. @default 3 */
  readonly attempts?: number;
}

/**
 * Opens connections to destinations. Endpoints are tried in random order. The next one is tried if the connection fails
 * or the server's identity is not allowed: nothing has been sent at that point, so a retry is safe. If the
 * destination's rule requires mutual TLS, there is no fallback to plaintext.
 */
export function createDialer(options: DialerOptions): Dialer {
  const settings = {
    connectTimeoutMs: 2000,
    lastConnectTimeoutMs: 10_000,
    handshakeTimeoutMs: 5000,
    attempts: 3,
    ...options,
  };
  return {
    async dial(destination, fallback, signal) {
      switch (destination.kind) {
        case "refused":
          return failed("refused_destination", destination.reason);
        case "passthrough":
          if (fallback === undefined)
            return failed("refused_destination", "a pass-through destination without an address");
          return await dialPassthrough(fallback, settings, signal);
        case "mesh":
          return await dialMesh(destination, settings, signal);
      }
    },
    dialEndpoint: (dial) => dialEndpoint(dial, settings),
  };
}

type Settings = Required<DialerOptions>;

async function dialPassthrough(
  address: SocketAddress,
  settings: Settings,
  signal: AbortSignal,
): Promise<DialedConnection | DialFailure> {
  const connected = await connectTcp(address, {
    timeoutMs: settings.lastConnectTimeoutMs,
    clock: settings.clock,
    signal,
  });
  if (connected.kind === "failed") return failed("connect_failed", connected.message);
  const { socket } = connected;
  return {
    kind: "connected",
    socket,
    endpoint: address,
    meshEndpoint: undefined,
    ...PLAINTEXT,
  };
}

const PLAINTEXT = { peer: undefined, alpn: "", generation: 0, sni: "" } as const;

async function dialMesh(
  destination: MeshDestination,
  settings: Settings,
  signal: AbortSignal,
): Promise<DialedConnection | DialFailure> {
  const order = shuffle(destination.endpoints, settings.random).slice(0, settings.attempts);
  let failure = failed("no_healthy_endpoint", `${destination.host}:${destination.port} has no ready endpoint`);
  for (const [index, endpoint] of order.entries()) {
    const isLast = index === order.length - 1;
    const dialed = await dialEndpoint({ destination, endpoint, alpnProtocols: STREAM_ALPN, isLast, signal }, settings);
    if (dialed.kind === "connected" || signal.aborted) return dialed;
    failure = dialed;
  }
  return failure;
}

function dialEndpoint(dial: EndpointDial, settings: Settings): Promise<DialedConnection | DialFailure> {
  return dial.endpoint.mutualTls ? dialMutualTls(dial, settings) : dialPlaintext(dial, settings);
}

async function dialPlaintext(dial: EndpointDial, settings: Settings): Promise<DialedConnection | DialFailure> {
  const { endpoint } = dial;
  const connected = await connectEndpoint(dial, settings);
  if (connected.kind === "failed") return connected;
  return {
    kind: "connected",
    socket: connected.socket,
    endpoint,
    meshEndpoint: endpoint,
    ...PLAINTEXT,
  };
}

async function dialMutualTls(dial: EndpointDial, settings: Settings): Promise<DialedConnection | DialFailure> {
  const { destination, endpoint, signal } = dial;
  const material = settings.secureContexts.current();
  if (material === undefined) {
    return failed("no_svid", `${destination.host} requires mutual TLS and this workload has no valid certificate`);
  }
  const connected = await connectEndpoint(dial, settings);
  if (connected.kind === "failed") return connected;
  const cancel = (): void => abortSocket(connected.socket);
  signal.addEventListener("abort", cancel, { once: true });
  const result = await originateTls(connected.socket, {
    clock: settings.clock,
    timeoutMs: settings.handshakeTimeoutMs,
    material,
    trust: () => settings.secureContexts.trust(),
    sni: destination.sni,
    expected: destination.identities,
    alpnProtocols: dial.alpnProtocols,
  });
  signal.removeEventListener("abort", cancel);
  if (result.kind === "failed") {
    abortSocket(connected.socket);
    const server = `${destination.host} at ${formatSocketAddress(endpoint)}`;
    return failed(result.reason, `mutual TLS to ${server} failed: ${result.message}`);
  }
  const { socket, peer } = result;
  const { generation } = material;
  const { alpnProtocol } = socket;
  return {
    kind: "connected",
    socket,
    endpoint,
    meshEndpoint: endpoint,
    peer,
    alpn: typeof alpnProtocol === "string" ? alpnProtocol : "",
    generation,
    sni: destination.sni,
  };
}

async function connectEndpoint(
  { endpoint, isLast, signal }: EndpointDial,
  settings: Settings,
): Promise<{ readonly kind: "socket"; readonly socket: Socket } | DialFailure> {
  const timeoutMs = isLast ? settings.lastConnectTimeoutMs : settings.connectTimeoutMs;
  const connected = await connectTcp(endpoint, { timeoutMs, clock: settings.clock, signal });
  return connected.kind === "failed" ? failed("connect_failed", connected.message) : connected;
}

function failed(reason: DialFailureReason, message: string): DialFailure {
  return { kind: "failed", reason, message };
}

/** Fisher-Yates shuffle of a copy. */
function shuffle<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  const shuffled: T[] = [];
  while (rest.length > 0) shuffled.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return shuffled;
}
