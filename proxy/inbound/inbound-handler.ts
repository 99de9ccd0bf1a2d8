import type { Socket } from "node:net";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Inbound, InboundPort, ServerModeDecision } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import { awaitFirstSpeaker } from "../connections/await-first-speaker.ts";
import type { ConnectionObserver, RefusedConnection } from "../connections/connection-observer.ts";
import type { ConnectionRegistry, OpenConnection } from "../connections/connection-registry.ts";
import type { VerifiedPeer } from "../connections/handshake.ts";
import { abortSocket, type Relay, relay } from "../connections/relay.ts";
import { decideCarriage } from "../http/decide-carriage.ts";
import { detectProtocol, guardStream } from "../http/detect-protocol.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { connectApplication } from "./connect-application.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import type { InboundHttp } from "./inbound-http.ts";
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
  readonly http: InboundHttp;
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

/** A client that the policy lets through. */
interface Admitted {
  readonly kind: "admitted";
  readonly client: Socket;
  readonly peer: VerifiedPeer | undefined;
  /** The identity that was shown to the peer. */
  readonly own: SpiffeId | undefined;
  /** Opened already, for a silent client; what it has said, if anything, waits on it. */
  readonly application: Socket | undefined;
  /** The application spoke first: this is no HTTP. */
  readonly isStream: boolean;
  /** What the handshake told of the inside. */
  readonly alpn: string | undefined;
}

interface Refused {
  readonly kind: "refused";
  readonly stage: RefusedConnection["stage"];
  readonly reason: string;
  readonly message: string;
}

interface Arrival extends CapturedConnection {
  /** `ip:port`. */
  readonly client: string;
  readonly options: InboundOptions;
  readonly decision: ServerModeDecision;
  readonly port: InboundPort | undefined;
}

/** Takes connections that were sent to this pod: lets them through to the application, or resets them and says why. */
export function createInboundHandler(options: InboundOptions): (connection: CapturedConnection) => void {
  return (connection) => void handleInbound(connection, options);
}

async function handleInbound(connection: CapturedConnection, options: InboundOptions): Promise<void> {
  const { socket, destination } = connection;
  const port = options.inbound().ports.find((candidate) => candidate.port === destination.port);
  const client = `${socket.remoteAddress}:${socket.remotePort}`;
  const arrival: Arrival = {
    ...connection,
    client,
    options,
    port,
    decision: modeOf(options.inbound(), destination.port),
  };
  const refuse = ({ stage, reason, message }: Refused): void => {
    abortSocket(socket);
    const target = `${destination.ip}:${destination.port}`;
    options.observer.refused({ direction: "inbound", stage, reason, message, client, destination: target });
  };

  const outcome = await admitWithin(arrival);
  if (outcome.kind === "refused") return refuse(outcome);
  const served = await serve(outcome, arrival);
  if (served !== undefined) refuse(served);
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
  if (outcome.kind === "admitted" && outcome.application !== undefined) abortSocket(outcome.application);
  return cause;
}

async function admit(arrival: Arrival, onProved: () => void): Promise<Admitted | Refused> {
  const { socket, options, decision } = arrival;
  if (decision.mode === "DISABLE") {
    onProved();
    return admitPlaintext(socket, undefined);
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
      return admitPlaintext(arrival.socket, undefined);
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
  const { socket: client, peer } = result;
  const alpn = typeof client.alpnProtocol === "string" ? client.alpnProtocol : undefined;
  return { kind: "admitted", client, peer, own: material.identity, application: undefined, isStream: false, alpn };
}

function admitPlaintext(client: Socket, application: Socket | undefined): Admitted {
  return { kind: "admitted", client, peer: undefined, own: undefined, application, isStream: false, alpn: undefined };
}

/**
 * A silent client of a PERMISSIVE port: perhaps it waits for the server's greeting (MySQL, SMTP). The application is
 * opened, and whoever speaks first decides. If it is the client after all, its bytes are judged as at the start.
 */
async function letFirstSpeakerDecide(arrival: Arrival, onProved: () => void): Promise<Admitted | Refused> {
  const { socket, options, decision } = arrival;
  options.observer.detectionTimedOut(arrival.destination.port);
  const application = await openApplication(arrival);
  if (application.kind === "refused") return application;
  onProved();
  const speaker = await awaitFirstSpeaker(application.socket, (signal) =>
    sniffClient(socket, { clock: options.clock, silenceMs: undefined, needsAlpn: true, signal }),
  );
  const opened = admitPlaintext(socket, application.socket);
  if (speaker === "application") return { ...opened, isStream: true };
  if (decideInboundAction(decision.mode, speaker).kind === "forward") return opened;
  application.socket.destroy();
  return await act(arrival, speaker, onProved);
}

type OpenedApplication = { readonly kind: "socket"; readonly socket: Socket };

async function openApplication({ destination, options }: Arrival): Promise<OpenedApplication | Refused> {
  const { clock, limits } = options;
  const result = await connectApplication(destination, { clock, timeoutMs: limits.connectTimeoutMs });
  return result.kind === "failed" ? refused("application", "connect_failed", result.message) : result;
}

/** Carries what an admitted client sends, as HTTP where it is known to be, as a stream otherwise. */
async function serve(admitted: Admitted, arrival: Arrival): Promise<Refused | undefined> {
  const declared = decideCarriage(arrival.port?.protocol, admitted.alpn);
  if (declared === "http" && admitted.application === undefined) {
    serveHttp(admitted, arrival);
    return undefined;
  }
  const opened: OpenedApplication | Refused =
    admitted.application === undefined
      ? await openApplication(arrival)
      : { kind: "socket", socket: admitted.application };
  if (opened.kind === "refused") return opened;
  if (declared === "stream" || admitted.isStream) return carryStream(admitted, arrival, opened.socket);
  const detected = await detectProtocol(admitted.client, opened.socket, arrival.options.clock);
  switch (detected.kind) {
    case "http":
      arrival.options.http.adopt(opened.socket, arrival.destination);
      serveHttp(admitted, arrival);
      return undefined;
    case "stream":
      if (detected.early.length > 0) opened.socket.write(detected.early);
      if (detected.isGuarded) guardStream(admitted.client, () => cutLateHttp(admitted, arrival, opened.socket));
      return carryStream(admitted, arrival, opened.socket);
    case "gone":
      abortSocket(opened.socket);
      abortSocket(admitted.client);
      return undefined;
  }
}

function cutLateHttp({ client: socket }: Admitted, arrival: Arrival, application: Socket): void {
  abortSocket(application);
  abortSocket(socket);
  const { options, destination, client } = arrival;
  const target = `${destination.ip}:${destination.port}`;
  const message = `a request line to port ${destination.port} came too slowly; name its Service port "http-…"`;
  options.observer.malformed({ direction: "inbound", reason: "late_http", message, client, destination: target });
}

function serveHttp(admitted: Admitted, arrival: Arrival): void {
  const { options, destination, port, client } = arrival;
  const { workload } = options.inbound();
  const connection = options.http.serve({
    socket: admitted.client,
    client,
    destination,
    peer: admitted.peer,
    own: admitted.own,
    workload,
    service: port?.service,
    onFault: ({ code, message }) => {
      const target = `${destination.ip}:${destination.port}`;
      options.observer.malformed({ direction: "inbound", reason: code, message, client, destination: target });
    },
    onHttp2: () => void carryHttp2(admitted, arrival),
  });
  register(admitted, arrival, connection);
}

async function carryHttp2(admitted: Admitted, arrival: Arrival): Promise<void> {
  const opened = await openApplication(arrival);
  if (opened.kind === "socket") return void carryStream(admitted, arrival, opened.socket);
  abortSocket(admitted.client);
}

function carryStream(admitted: Admitted, arrival: Arrival, application: Socket): undefined {
  const { clock, limits, observer } = arrival.options;
  const { halfOpenIdleMs } = limits;
  const carried = relay({ downstream: admitted.client, upstream: application }, { clock, halfOpenIdleMs });
  const connection = register(admitted, arrival, carried, application);
  const { workload } = arrival.options.inbound();
  const parties = { source: undefined, destination: workload, service: arrival.port?.service };
  const opened = observer.opened(connection, parties);
  void carried.ended.then((end) => opened.closed(end));
}

function register(admitted: Admitted, arrival: Arrival, carried: Relay, application?: Socket): OpenConnection {
  const { options, destination, decision, port, client } = arrival;
  const { peer } = admitted;
  const connection: OpenConnection = {
    direction: "inbound",
    client,
    destination,
    endpoint: destination,
    host: port?.service?.host ?? "",
    peer,
    rule: decision.rule,
    openedAtMs: options.clock.now(),
    relay: carried,
    isAllowed: () => peer !== undefined || modeOf(options.inbound(), destination.port).mode !== "STRICT",
    bytes: () =>
      application === undefined
        ? { received: admitted.client.bytesRead, sent: admitted.client.bytesWritten }
        : { received: application.bytesWritten, sent: application.bytesRead },
  };
  options.registry.add(connection);
  return connection;
}

function modeOf(inbound: Inbound, port: number): ServerModeDecision {
  return inbound.ports.find((candidate) => candidate.port === port)?.mode ?? inbound.defaultMode;
}

function refused(stage: Refused["stage"], reason: string, message: string): Refused {
  return { kind: "refused", stage, reason, message };
}
