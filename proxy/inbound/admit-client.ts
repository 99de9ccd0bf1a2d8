import type { ServerMode } from "../../mesh/policy/types.ts";
import { awaitFirstSpeaker } from "../connections/await-first-speaker.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import { type Admitted, type Arrival, decisionOf, modeOf, openApplication, portOf } from "./inbound-arrival.ts";
import { type Refused, refused } from "./refusal.ts";
import { type ClientKind, sniffClient } from "./sniff-client.ts";
import { terminateTls } from "./terminate-tls.ts";

/**
 * Finds out who a client is and whether the policy lets it in, under the time limit and under the cap on connections
 * that have proved nothing.
 */
export async function admitClient(arrival: Arrival): Promise<Admitted | Refused> {
  const { socket, options } = arrival;
  const mode = (): ServerMode => decisionOf(arrival).mode;
  if (mode() === "DISABLE") return await letFirstSpeakerDecide(arrival);
  arrival.opening.awaitProof();
  const silenceMs = mode() === "PERMISSIVE" ? options.limits.silenceMs : undefined;
  const client = await sniffClient(socket, { clock: options.clock, silenceMs, mode });
  if (client.kind === "silent") options.observer.detectionTimedOut(arrival.destination.port);
  return await act(arrival, client);
}

async function act(arrival: Arrival, client: ClientKind): Promise<Admitted | Refused> {
  const action = decideInboundAction(decisionOf(arrival).mode, client);
  switch (action.kind) {
    case "refuse":
      return refuseClient(arrival, action.reason);
    case "forward":
      return admitPlaintext(arrival);
    case "terminate":
      return await admitMutualTls(arrival);
    case "await_first_speaker":
      return await letFirstSpeakerDecide(arrival);
  }
}

function refuseClient(arrival: Arrival, reason: "plaintext_under_strict" | "client_gone"): Refused {
  if (reason === "client_gone")
    return refused("handshake", reason, "the client went away before it had said who it is");
  const { mode, rule } = decisionOf(arrival);
  return refused("policy", reason, `plaintext to port ${arrival.destination.port}, which ${rule} makes ${mode}`);
}

async function admitMutualTls(arrival: Arrival): Promise<Admitted | Refused> {
  const { socket, options, connection } = arrival;
  arrival.opening.awaitProof();
  connection.decide({ stage: "accepted", isAllowed: () => true });
  const material = options.secureContexts.current();
  if (material === undefined) return refused("handshake", "no_svid", "this workload has no valid certificate");
  const result = await terminateTls(socket, {
    clock: options.clock,
    timeoutMs: options.limits.handshakeTimeoutMs,
    material,
    protocol: portOf(arrival)?.protocol,
  });
  if (result.kind === "failed") return refused("handshake", result.reason, result.message);
  const { socket: client, peer } = result;
  connection.hold(client);
  arrival.opening.awaitFirstBytes(true);
  connection.decide({ stage: "waiting", peer, rule: decisionOf(arrival).rule, isAllowed: () => true });
  const alpn = typeof client.alpnProtocol === "string" ? client.alpnProtocol : undefined;
  return { kind: "admitted", client, peer, own: material.identity, application: undefined, isStream: false, alpn };
}

/** From here on the connection is cut as soon as the port becomes STRICT. */
function admitPlaintext(arrival: Arrival): Admitted {
  const { socket, options, destination, connection } = arrival;
  const isAllowed = (): boolean => modeOf(options.inbound(), destination.port).mode !== "STRICT";
  arrival.opening.awaitFirstBytes(false);
  connection.decide({ stage: "waiting", peer: undefined, rule: decisionOf(arrival).rule, isAllowed });
  const unproved = { peer: undefined, own: undefined, application: undefined, isStream: false, alpn: undefined };
  return { kind: "admitted", client: socket, ...unproved };
}

/**
 * A client that need not speak first: of a DISABLE port, or silent at a PERMISSIVE one, where it perhaps waits for the
 * server's greeting (MySQL, SMTP). The application is opened, and whoever speaks first decides. If it is the client
 * after all, its bytes are judged as at the start, by the policy of that moment.
 */
async function letFirstSpeakerDecide(arrival: Arrival): Promise<Admitted | Refused> {
  const { socket, options } = arrival;
  const plaintext = admitPlaintext(arrival);
  const application = await openApplication(arrival);
  if (application.kind === "refused") return application;
  const opened = { ...plaintext, application: application.socket };
  const speaker = await awaitFirstSpeaker(application.socket, (signal) =>
    sniffClient(socket, { clock: options.clock, silenceMs: undefined, mode: () => decisionOf(arrival).mode, signal }),
  );
  if (speaker === "application") return { ...opened, isStream: true };
  if (decideInboundAction(decisionOf(arrival).mode, speaker).kind === "forward") return opened;
  application.socket.destroy();
  if (arrival.connection.isOver) return refused("handshake", "client_gone", "the connection ended before it was used");
  return await act(arrival, speaker);
}
