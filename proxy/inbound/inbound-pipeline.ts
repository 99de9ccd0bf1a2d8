import type { Socket } from "node:net";
import { httpVersionOf } from "../../mesh/policy/declared-protocol.ts";
import type { ConnectionPool, Inbound, ServerMode } from "../../mesh/policy/types.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import { awaitFirstSpeaker } from "../connections/await-first-speaker.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import type { ConnectionForwarding } from "../connections/tracked-connection.ts";
import type { ConnectionPolicies } from "../http/authorization/connection-policies.ts";
import {
  decideForwarding,
  type ForwardingDecision,
  type HttpForwarding,
  type StreamForwarding,
  type Undecided,
} from "../http/detection/decide-forwarding.ts";
import { decideProtocol } from "../http/detection/decide-protocol.ts";
import type { UnjudgedRequest } from "../http/detection/detect-protocol.ts";
import { relayStream } from "../http/detection/relay-stream.ts";
import type { HttpProtocol } from "../messages/http-version.ts";
import { type AdmittedClient, admitMutualTls, admitPlaintext } from "./admit-client.ts";
import { authorizeStream, policiesFor, UNKNOWN_CLIENT } from "./authorize-client.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import {
  type Arrival,
  acceptConnection,
  decisionOf,
  type InboundOptions,
  modeOf,
  type OpenedApplication,
  openApplication,
  portOf,
} from "./inbound-arrival.ts";
import { type ClientKind, sniffClient } from "./sniff-client.ts";

/** Handles connections to this pod: forwards them to the application, or resets them and reports the reason. */
export function createInboundHandler(options: InboundOptions): (captured: CapturedConnection) => void {
  return (captured) => {
    const arrival = acceptConnection(captured, options);
    if (arrival === undefined) return;
    // Without this an exception would be an unhandled rejection, which ends the process.
    handleInbound(arrival).catch((caught) => arrival.connection.refuseFault(caught));
  };
}

/**
 * One accepted connection until it is forwarded. A step returns `undefined` if the connection has ended: it was refused and
 * reported, cut by a new policy, or closed by its client. Each step judges by the policy that is current at that step.
 */
async function handleInbound(arrival: Arrival): Promise<void> {
  const first = await readFirstBytes(arrival);
  if (first === undefined) return;
  const client = await admitClient(arrival, first);
  if (client === undefined) return;
  new AdmittedArrival(arrival, client).decide();
}

/** Which side spoke first, and the application if it had to be opened to find out. */
type FirstBytes =
  | { readonly by: "client"; readonly client: ClientKind; readonly application: OpenedApplication | undefined }
  | { readonly by: "application"; readonly application: OpenedApplication };

/**
 * Step 1. Reads the client's first bytes. A client of a DISABLE port, or a silent client of a PERMISSIVE port, may wait
 * for the server's greeting (MySQL, SMTP). So the application is opened, and the side that speaks first decides.
 */
async function readFirstBytes(arrival: Arrival): Promise<FirstBytes | undefined> {
  const { socket, options, opening } = arrival;
  const { clock, limits, observer } = options;
  const mode = (): ServerMode => decisionOf(arrival).mode;
  if (mode() !== "DISABLE") {
    opening.awaitProof();
    const silenceMs = mode() === "PERMISSIVE" ? limits.silenceMs : undefined;
    const client = await sniffClient(socket, { clock, silenceMs, mode });
    if (decideInboundAction(mode(), client).kind !== "await_first_speaker") {
      return { by: "client", client, application: undefined };
    }
    observer.detectionTimedOut(arrival.destination.port);
  }
  const policies = policiesFor(arrival, UNKNOWN_CLIENT);
  const protocol = decideProtocol(portOf(arrival)?.protocol, undefined);
  const isStream = mode() === "DISABLE" && protocol === "stream";
  if (isStream && !authorizeStream(arrival, UNKNOWN_CLIENT, policies, false)) return undefined;
  // Only what this client sends can still make it one that is allowed: its identity, or a request.
  const isDenied = policies.judgeStream()?.kind === "denied";
  if (isDenied) opening.awaitProof();
  else admitPlaintext(arrival);
  if (isDenied || protocol === "http") {
    return { by: "client", client: await sniffClient(socket, { clock, mode }), application: undefined };
  }
  const application = await openApplication(arrival);
  if (application === undefined) return undefined;
  const first = await awaitFirstSpeaker(application.socket, (signal) => sniffClient(socket, { clock, mode, signal }));
  return first === "application" ? { by: first, application } : { by: "client", client: first, application };
}

/** Step 2. Admits the client as the policy requires: in plaintext, or after its TLS handshake and the verdict on it. */
async function admitClient(arrival: Arrival, first: FirstBytes): Promise<AdmittedClient | undefined> {
  const { connection } = arrival;
  if (connection.isOver) return undefined;
  const { application } = first;
  if (first.by === "application") return { ...admitPlaintext(arrival), application };
  const decision = decisionOf(arrival);
  const action = decideInboundAction(decision.mode, first.client);
  switch (action.kind) {
    case "forward": {
      const sni = first.client.kind === "other_tls" ? first.client.sni : undefined;
      return { ...admitPlaintext(arrival, sni), application };
    }
    case "terminate":
    case "await_first_speaker":
      application?.socket.destroy();
      return await admitMutualTls(arrival);
    case "refuse":
      return action.reason === "client_gone"
        ? connection.refuse(
            "handshake",
            action.reason,
            "the client disconnected before it had sent enough to identify itself",
          )
        : connection.refuse("policy", action.reason, plaintextRefused(arrival.destination.port, decision));
  }
}

function plaintextRefused(port: number, { rule, mode }: ReturnType<typeof decisionOf>): string {
  return `plaintext to port ${port}, which ${rule} makes ${mode}`;
}

/** An admitted client. */
class AdmittedArrival implements Undecided<OpenedApplication> {
  readonly #arrival: Arrival;
  readonly #client: AdmittedClient;
  readonly #policies: ConnectionPolicies;

  constructor(arrival: Arrival, client: AdmittedClient) {
    this.#arrival = arrival;
    this.#client = client;
    this.#policies = policiesFor(arrival, client);
  }

  get socket(): Socket {
    return this.#client.socket;
  }

  get opened(): OpenedApplication | undefined {
    return this.#client.application;
  }

  get proxyFields(): ReadonlySet<string> {
    return this.#arrival.options.http.proxyFields;
  }

  /** Step 3. Decides how it is forwarded. */
  decide(): void {
    const { connection, options } = this.#arrival;
    if (connection.isOver) return;
    const protocol = decideProtocol(portOf(this.#arrival)?.protocol, this.#client.alpn);
    // Before the application is opened.
    if (protocol === "stream" && !this.#authorizeStream(false)) return;
    decideForwarding(this, protocol, options.http.context);
  }

  open(): Promise<OpenedApplication | undefined> {
    return openApplication(this.#arrival);
  }

  abandon(reason?: UnjudgedRequest): void {
    const { connection } = this.#arrival;
    if (reason === undefined) connection.cut();
    else connection.cutMalformed(reason);
  }

  refuseFault(caught: unknown): void {
    this.#arrival.connection.refuseFault(caught);
  }

  /** Step 4. Nothing is written to the application before this. */
  forward(decision: ForwardingDecision<OpenedApplication>): void {
    const { connection, opening } = this.#arrival;
    if (connection.isOver || (decision.kind === "stream" && !this.#authorizeStream(true))) return;
    opening.leave();
    const host = portOf(this.#arrival)?.service?.host ?? "";
    const terms = decision.kind === "http" ? { host } : { host, isAllowed: this.#isAllowedStream() };
    connection.carry(terms, () => (decision.kind === "http" ? this.#serveHttp(decision) : this.#relay(decision)));
  }

  #authorizeStream(isFinal: boolean): boolean {
    return authorizeStream(this.#arrival, this.#client, this.#policies, isFinal);
  }

  /** A stream is cut as soon as the policies deny it. */
  #isAllowedStream(): () => boolean {
    const { isAdmitted } = this.#client;
    const policies = this.#policies;
    return () => isAdmitted() && policies.judgeStream()?.kind !== "denied";
  }

  #serveHttp({ protocol, opened, early }: HttpForwarding<OpenedApplication>): ConnectionForwarding {
    const { options, destination, connection } = this.#arrival;
    const { socket, peer, own } = this.#client;
    const settings = judgeOnce(options.inbound, (inbound) => settingsOf(inbound, destination.port));
    if (opened !== undefined) options.http.adopt(opened.socket, { destination, protocol, settings });
    return options.http.serve({
      settings,
      ...{ socket, client: connection.client, destination, peer, own, protocol, early },
      workload: options.inbound().workload,
      service: portOf(this.#arrival)?.service,
      policies: this.#policies,
      pathNormalization: () => options.inbound().authorization.pathNormalization,
      isCurrent: this.#isCurrentAs(protocol),
      mayCarry: () => connection.mayCarry(),
      onFault: ({ code, message }) => connection.reportMalformed(code, message),
    });
  }

  /** A connection of HTTP/2 may last for days: with a new certificate it is led to its end, and made again. */
  #isCurrentAs(protocol: HttpProtocol): () => boolean {
    const { options, destination } = this.#arrival;
    const client = this.#client;
    const isServedSo = judgeOnce(options.inbound, (inbound) => wouldBeServedSo(inbound, client, destination.port));
    return protocol === "http1" ? isServedSo : () => isServedSo() && client.isCertificateCurrent();
  }

  #relay(forwarding: StreamForwarding<OpenedApplication>): ConnectionForwarding {
    const { options, connection } = this.#arrival;
    const { clock, limits, observer, inbound } = options;
    const application = forwarding.upstream.socket;
    const relay = relayStream(this.socket, forwarding, {
      clock,
      halfOpenIdleMs: limits.halfOpenIdleMs,
      onRequest: (request) => connection.cutMalformed(request),
      proxyFields: this.proxyFields,
    });
    const service = portOf(this.#arrival)?.service;
    const parties = { source: undefined, destination: inbound().workload, service };
    const opened = observer.opened(connection, { ...parties, authorization: this.#policies.judgeStream() });
    relay.onEnd((end) => opened.closed(end));
    return { ...relay, bytes: () => ({ received: application.bytesWritten, sent: application.bytesRead }) };
  }
}

/** The application receives what it is declared to speak. */
function settingsOf({ ports }: Inbound, port: number): ConnectionPool {
  return { httpVersion: httpVersionOf(ports.find((candidate) => candidate.port === port)?.protocol) };
}

/** Once TLS is no longer terminated, or the port no longer carries requests, a new client would be a stream. */
function wouldBeServedSo(inbound: Inbound, { peer, alpn }: AdmittedClient, port: number): boolean {
  if (peer !== undefined && modeOf(inbound, port).mode === "DISABLE") return false;
  const declared = inbound.ports.find((candidate) => candidate.port === port)?.protocol;
  return decideProtocol(declared, alpn) !== "stream";
}
