import type { Socket } from "node:net";
import type { Inbound, InboundPort, ServerModeDecision } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import { connectTcp } from "../connections/connect-tcp.ts";
import type { ConnectionObserver, RefusedConnection } from "../connections/connection-observer.ts";
import type { ConnectionRegistry, OpenConnection } from "../connections/connection-registry.ts";
import type { VerifiedPeer } from "../connections/handshake.ts";
import { abortSocket, relay } from "../connections/relay.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { awaitFirstSpeaker } from "./await-first-speaker.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import type { PendingHandshakes } from "./pending-handshakes.ts";
import { type ClientKind, sniffClient } from "./sniff-client.ts";
import { terminateTls } from "./terminate-tls.ts";

export interface InboundOptions {
  readonly clock: Clock;
  readonly secureContexts: SecureContextSource;
  /** What this workload demands now. */
  readonly inbound: () => Inbound;
  readonly registry: ConnectionRegistry;
  readonly pending: PendingHandshakes;
  readonly observer: ConnectionObserver;
  readonly limits: InboundLimits;
}

export interface InboundLimits {
  /** From the first packet to the verdict on the peer, all together. */
  readonly handshakeTimeoutMs: number;
  /** How long a client of a PERMISSIVE port may be silent before the application is opened for it. */
  readonly silenceMs: number;
  readonly connectTimeoutMs: number;
  readonly halfOpenIdleMs: number;
}

/** Both ends are ready, and nothing but what the policy allows will pass between them. */
interface Admitted {
  readonly kind: "admitted";
  readonly client: Socket;
  readonly application: Socket;
  readonly peer: VerifiedPeer | undefined;
}

interface Refused {
  readonly kind: "refused";
  readonly stage: RefusedConnection["stage"];
  readonly reason: string;
  readonly message: string;
}

interface Arrival extends CapturedConnection {
  readonly options: InboundOptions;
  readonly decision: ServerModeDecision;
  readonly port: InboundPort | undefined;
}

/** The source address of deliveries: iptables lets it pass uncaptured (Istio's convention since 1.10). */
const DELIVERY_SOURCE = { ipv4: "127.0.0.6", ipv6: "::6" } as const;

/** Takes connections that were sent to this pod: lets them through to the application, or resets them and says why. */
export function createInboundHandler(options: InboundOptions): (connection: CapturedConnection) => void {
  return (connection) => void handleInbound(connection, options);
}

async function handleInbound(connection: CapturedConnection, options: InboundOptions): Promise<void> {
  const { socket, destination } = connection;
  const port = options.inbound().ports.find((candidate) => candidate.port === destination.port);
  const arrival: Arrival = { ...connection, options, port, decision: modeOf(options.inbound(), destination.port) };
  const client = `${socket.remoteAddress}:${socket.remotePort}`;

  const outcome = await admitWithin(arrival);
  if (outcome.kind === "refused") {
    abortSocket(socket);
    const { stage, reason, message } = outcome;
    const target = `${destination.ip}:${destination.port}`;
    options.observer.refused({ direction: "inbound", stage, reason, message, client, destination: target });
    return;
  }
  carry(outcome, arrival, client);
}

/** Runs the admission under its time limit and under the cap on connections that have proved nothing. */
async function admitWithin(arrival: Arrival): Promise<Admitted | Refused> {
  const { socket, options } = arrival;
  let cause: Refused | undefined;
  const giveUp = (refusal: Refused): void => {
    cause ??= refusal;
    abortSocket(socket);
  };
  const { handshakeTimeoutMs } = options.limits;
  const timer = options.clock.setTimeout(() => {
    giveUp(refused("handshake", "handshake_timeout", `the client had proved nothing after ${handshakeTimeoutMs} ms`));
  }, handshakeTimeoutMs);
  const entry = options.pending.enter(() => {
    giveUp(refused("handshake", "too_many_pending", "displaced by newer connections: too many had proved nothing yet"));
  });
  const outcome = await admit(arrival, () => {
    timer.cancel();
    entry.done();
  });
  timer.cancel();
  entry.done();
  if (cause === undefined) return outcome;
  if (outcome.kind === "admitted") abortSocket(outcome.application);
  return cause;
}

async function admit(arrival: Arrival, onProved: () => void): Promise<Admitted | Refused> {
  const { socket, options, decision } = arrival;
  if (decision.mode === "DISABLE") {
    onProved();
    return await openApplication(arrival, socket, undefined);
  }
  const client = await sniffClient(socket, {
    clock: options.clock,
    silenceMs: decision.mode === "PERMISSIVE" ? options.limits.silenceMs : undefined,
    needsAlpn: decision.mode === "PERMISSIVE",
  });
  return await act(arrival, client, onProved);
}

async function act(arrival: Arrival, client: ClientKind, onProved: () => void): Promise<Admitted | Refused> {
  const action = decideInboundAction(arrival.decision.mode, client);
  switch (action.kind) {
    case "refuse":
      return refuseClient(arrival, action.reason);
    case "forward":
      onProved();
      return await openApplication(arrival, arrival.socket, undefined);
    case "terminate":
      return await admitMutualTls(arrival, onProved);
    case "await_first_speaker":
      return await letFirstSpeakerDecide(arrival, onProved);
  }
}

function refuseClient(arrival: Arrival, reason: "plaintext_under_strict" | "client_gone"): Refused {
  if (reason === "client_gone")
    return refused("handshake", reason, "the client went away before it had said who it is");
  const { mode, rule } = arrival.decision;
  return refused("policy", reason, `plaintext to port ${arrival.destination.port}, which ${rule} makes ${mode}`);
}

async function admitMutualTls(arrival: Arrival, onProved: () => void): Promise<Admitted | Refused> {
  const { socket, options } = arrival;
  const material = options.secureContexts.current();
  if (material === undefined) return refused("handshake", "no_svid", "this workload has no valid certificate");
  const result = await terminateTls(socket, {
    clock: options.clock,
    timeoutMs: options.limits.handshakeTimeoutMs,
    material,
    protocol: arrival.port?.protocol,
  });
  if (result.kind === "failed") return refused("handshake", result.reason, result.message);
  onProved();
  return await openApplication(arrival, result.socket, result.peer);
}

/**
 * A silent client of a PERMISSIVE port: perhaps it waits for the server's greeting (MySQL, SMTP). The application is
 * opened, and whoever speaks first decides. If it is the client after all, its bytes are judged as at the start.
 */
async function letFirstSpeakerDecide(arrival: Arrival, onProved: () => void): Promise<Admitted | Refused> {
  const { socket, options, decision } = arrival;
  options.observer.detectionTimedOut(arrival.destination.port);
  const opened = await openApplication(arrival, socket, undefined);
  if (opened.kind === "refused") return opened;
  onProved();
  const speaker = await awaitFirstSpeaker(opened.application, (signal) =>
    sniffClient(socket, { clock: options.clock, silenceMs: undefined, needsAlpn: true, signal }),
  );
  if (speaker === "application") return opened;
  if (decideInboundAction(decision.mode, speaker).kind === "forward") return opened;
  opened.application.destroy();
  return await act(arrival, speaker, onProved);
}

async function openApplication(
  arrival: Arrival,
  client: Socket,
  peer: VerifiedPeer | undefined,
): Promise<Admitted | Refused> {
  const { destination, options } = arrival;
  const result = await connectTcp(destination, {
    clock: options.clock,
    timeoutMs: options.limits.connectTimeoutMs,
    localAddress: destination.ip.includes(":") ? DELIVERY_SOURCE.ipv6 : DELIVERY_SOURCE.ipv4,
  });
  if (result.kind === "failed") return refused("application", "connect_failed", result.message);
  return { kind: "admitted", client, application: result.socket, peer };
}

function carry(admitted: Admitted, arrival: Arrival, client: string): void {
  const { options, destination, decision, port } = arrival;
  const { application, peer } = admitted;
  const { clock } = options;
  const { halfOpenIdleMs } = options.limits;
  const carried = relay({ downstream: admitted.client, upstream: application }, { clock, halfOpenIdleMs });
  const connection: OpenConnection = {
    direction: "inbound",
    client,
    destination,
    endpoint: destination,
    host: port?.service?.host ?? "",
    peer,
    rule: decision.rule,
    openedAtMs: clock.now(),
    relay: carried,
    isAllowed: () => peer !== undefined || modeOf(options.inbound(), destination.port).mode !== "STRICT",
    bytes: () => ({ received: application.bytesWritten, sent: application.bytesRead }),
  };
  const { workload } = options.inbound();
  const observer = options.observer.opened(connection, {
    source: undefined,
    destination: workload,
    service: port?.service,
  });
  void carried.ended.then((end) => observer.closed(end));
  options.registry.add(connection);
}

function modeOf(inbound: Inbound, port: number): ServerModeDecision {
  return inbound.ports.find((candidate) => candidate.port === port)?.mode ?? inbound.defaultMode;
}

function refused(stage: Refused["stage"], reason: string, message: string): Refused {
  return { kind: "refused", stage, reason, message };
}
