import type { Socket } from "node:net";
import type { OpenConnection } from "../connections/connection-registry.ts";
import { abortSocket, type Relay, relay } from "../connections/relay.ts";
import { decideCarriage } from "../http/detection/decide-carriage.ts";
import { detectProtocol, guardStream } from "../http/detection/detect-protocol.ts";
import {
  type Admitted,
  type Arrival,
  modeOf,
  type OpenedApplication,
  openApplication,
  type Refused,
} from "./inbound-arrival.ts";

/** Carries what an admitted client sends, as HTTP where it is known to be, as a stream otherwise. */
export async function serveClient(admitted: Admitted, arrival: Arrival): Promise<Refused | undefined> {
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
    onForeign: () => void carryForeign(admitted, arrival),
  });
  register(admitted, arrival, connection);
}

async function carryForeign(admitted: Admitted, arrival: Arrival): Promise<void> {
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
