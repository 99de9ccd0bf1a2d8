import type { Socket } from "node:net";
import type { Inbound } from "../../mesh/policy/types.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import { relay } from "../connections/relay.ts";
import { type Carriage, decideCarriage } from "../http/detection/decide-carriage.ts";
import { detectOnHttpPort } from "../http/detection/detect-on-http-port.ts";
import { detectProtocol, guardStream, type UnjudgedRequest } from "../http/detection/detect-protocol.ts";
import {
  type Admitted,
  type Arrival,
  modeOf,
  type OpenedApplication,
  openApplication,
  portOf,
} from "./inbound-arrival.ts";
import type { Refused } from "./refusal.ts";

/** Carries what an admitted client sends, as HTTP where it is known to be, as a stream otherwise. */
export async function serveClient(admitted: Admitted, arrival: Arrival): Promise<Refused | undefined> {
  const declared = decideCarriage(portOf(arrival)?.protocol, admitted.alpn);
  if (declared !== "http" || admitted.application !== undefined) return await openAndServe(admitted, arrival, declared);
  const { options, connection } = arrival;
  const detected = await detectOnHttpPort(admitted.client, options.http.context);
  if (connection.isOver) return undefined;
  switch (detected) {
    case "http":
      return serveHttp(admitted, arrival);
    case "stream":
      return await openAndServe(admitted, arrival, "stream");
    case "gone":
      return void connection.cut();
  }
}

async function openAndServe(admitted: Admitted, arrival: Arrival, carriage: Carriage): Promise<Refused | undefined> {
  const { options, connection } = arrival;
  const opened: OpenedApplication | Refused =
    admitted.application === undefined
      ? await openApplication(arrival)
      : { kind: "socket", socket: admitted.application };
  if (opened.kind === "refused") return opened;
  if (carriage === "stream" || admitted.isStream) return carryStream(admitted, arrival, opened.socket, NO_BYTES);
  const detected = await detectProtocol(admitted.client, opened.socket, options.clock);
  if (connection.isOver) return undefined;
  switch (detected.kind) {
    case "http":
      options.http.adopt(opened.socket, arrival.destination);
      return serveHttp(admitted, arrival);
    case "stream":
      if (detected.isGuarded) guardStream(admitted.client, (request) => refuseRequest(request, arrival));
      return carryStream(admitted, arrival, opened.socket, detected.early);
    case "refused":
      return refuseRequest(detected, arrival);
    case "gone":
      return void connection.cut();
  }
}

const NO_BYTES = Buffer.alloc(0);

function refuseRequest({ reason, message }: UnjudgedRequest, arrival: Arrival): undefined {
  const { options, destination, client, connection } = arrival;
  connection.cut();
  const target = `${destination.ip}:${destination.port}`;
  options.observer.malformed({ direction: "inbound", reason, message, client, destination: target });
}

function serveHttp(admitted: Admitted, arrival: Arrival): undefined {
  const { options, destination, client, connection, opening } = arrival;
  const { workload } = options.inbound();
  const service = portOf(arrival)?.service;
  opening.leave();
  connection.carry({ host: service?.host ?? "" }, () => {
    const serving = options.http.serve({
      ...{ socket: admitted.client, client, destination, peer: admitted.peer, own: admitted.own, workload, service },
      isCurrent: judgeOnce(options.inbound, (inbound) => wouldBeServedSo(inbound, admitted, destination.port)),
      onFault: ({ code, message }) => {
        const target = `${destination.ip}:${destination.port}`;
        options.observer.malformed({ direction: "inbound", reason: code, message, client, destination: target });
      },
    });
    const bytes = () => ({ received: admitted.client.bytesRead, sent: admitted.client.bytesWritten });
    return { relay: serving, bytes, isIdle: () => serving.isIdle };
  });
}

/** Where TLS is not terminated any more, or the port is no longer HTTP, a client that connects now is a stream. */
function wouldBeServedSo(inbound: Inbound, { peer, alpn }: Admitted, port: number): boolean {
  if (peer !== undefined && modeOf(inbound, port).mode === "DISABLE") return false;
  const declared = inbound.ports.find((candidate) => candidate.port === port)?.protocol;
  return decideCarriage(declared, alpn) !== "stream";
}

/** @param early what the client said before it ended its side; it is delivered first. */
function carryStream(admitted: Admitted, arrival: Arrival, application: Socket, early: Buffer): undefined {
  const { connection, opening } = arrival;
  const { clock, limits, observer, inbound } = arrival.options;
  const { halfOpenIdleMs } = limits;
  const service = portOf(arrival)?.service;
  opening.leave();
  connection.carry({ host: service?.host ?? "" }, () => {
    if (early.length > 0) application.write(early);
    const carried = relay({ downstream: admitted.client, upstream: application }, { clock, halfOpenIdleMs });
    const parties = { source: undefined, destination: inbound().workload, service };
    const bytes = () => ({ received: application.bytesWritten, sent: application.bytesRead });
    const opened = observer.opened(connection, parties);
    void carried.ended.then((end) => opened.closed(end));
    return { relay: carried, bytes };
  });
}
