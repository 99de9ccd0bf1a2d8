import { formatClient } from "../../net/client-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import { abortSocket } from "../connections/relay.ts";
import { admitClient } from "./admit-client.ts";
import { type Arrival, type InboundOptions, modeOf, type Refused } from "./inbound-arrival.ts";
import { serveClient } from "./serve-client.ts";

/** Takes connections that were sent to this pod: lets them through to the application, or resets them and says why. */
export function createInboundHandler(options: InboundOptions): (connection: CapturedConnection) => void {
  return (connection) => void handleInbound(connection, options);
}

async function handleInbound(connection: CapturedConnection, options: InboundOptions): Promise<void> {
  const { socket, destination } = connection;
  const port = options.inbound().ports.find((candidate) => candidate.port === destination.port);
  const client = formatClient(socket);
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

  const outcome = await admitClient(arrival);
  if (outcome.kind === "refused") return refuse(outcome);
  const served = await serveClient(outcome, arrival);
  if (served !== undefined) refuse(served);
}
