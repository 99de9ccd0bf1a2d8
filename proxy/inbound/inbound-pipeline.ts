import type { ServerMode } from "../../mesh/policy/types.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import { awaitFirstSpeaker } from "../connections/await-first-speaker.ts";
import { decideProtocol } from "../http/detection/decide-protocol.ts";
import { type AdmittedClient, admitMutualTls, admitPlaintext } from "./admit-client.ts";
import { AdmittedArrival } from "./admitted-arrival.ts";
import { authorizeStream, policiesFor, UNKNOWN_CLIENT } from "./authorize-client.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import {
  type Arrival,
  acceptConnection,
  decisionOf,
  type InboundOptions,
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
