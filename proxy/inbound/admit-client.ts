import type { Socket } from "node:net";
import { awaitFirstSpeaker } from "../connections/await-first-speaker.ts";
import { abortSocket } from "../connections/relay.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import { type Admitted, type Arrival, openApplication, type Refused, refused } from "./inbound-arrival.ts";
import { type ClientKind, sniffClient } from "./sniff-client.ts";
import { terminateTls } from "./terminate-tls.ts";

/**
 * Finds out who a client is and whether the policy lets it in, under the time limit and under the cap on connections
 * that have proved nothing.
 */
export async function admitClient(arrival: Arrival): Promise<Admitted | Refused> {
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
