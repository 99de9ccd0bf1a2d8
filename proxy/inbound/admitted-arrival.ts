import type { Socket } from "node:net";
import { httpVersionOf } from "../../mesh/policy/declared-protocol.ts";
import type { ConnectionPool, Inbound } from "../../mesh/policy/types.ts";
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
import type { AdmittedClient } from "./admit-client.ts";
import { authorizeStream, policiesFor } from "./authorize-client.ts";
import { type Arrival, modeOf, type OpenedApplication, openApplication, portOf } from "./inbound-arrival.ts";

/** A connection whose client was admitted, until it is forwarded: as requests, or as a stream. */
export class AdmittedArrival implements Undecided<OpenedApplication> {
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
