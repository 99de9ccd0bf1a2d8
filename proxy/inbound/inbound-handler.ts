import { formatClient } from "../../net/client-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import { INBOUND_POLICY } from "../connections/connection-registry.ts";
import { TrackedConnection } from "../connections/tracked-connection.ts";
import { admitClient } from "./admit-client.ts";
import type { Arrival, InboundOptions } from "./inbound-arrival.ts";
import { OpeningLimits } from "./opening-limits.ts";
import { type Refused, refused } from "./refusal.ts";
import { serveClient } from "./serve-client.ts";

const NO_ROOM = refused(
  "capture",
  "too_many_connections",
  "the process has no descriptors left for it, and no idle connection could make room; raise RLIMIT_NOFILE (ulimit -n)",
);

/** Takes connections that were sent to this pod: lets them through to the application, or resets them and says why. */
export function createInboundHandler(options: InboundOptions): (connection: CapturedConnection) => void {
  return (captured) => void handleInbound(captured, options);
}

async function handleInbound(captured: CapturedConnection, options: InboundOptions): Promise<void> {
  const { socket, destination } = captured;
  const client = formatClient(socket);
  const connection = new TrackedConnection(
    { direction: "inbound", socket, client, destination, openedAtMs: options.clock.now(), policyKey: INBOUND_POLICY },
    options.registry,
  );
  const refuse = ({ stage, reason, message }: Refused): void => {
    // Whoever has ended it meanwhile has given the reason.
    if (connection.isOver) return;
    connection.cut();
    const target = `${destination.ip}:${destination.port}`;
    options.observer.refused({ direction: "inbound", stage, reason, message, client, destination: target });
  };
  const opening = new OpeningLimits({ ...options.limits, clock: options.clock, caps: options.caps, onOver: refuse });
  void connection.relay.ended.then(() => opening.leave());
  const arrival: Arrival = { ...captured, client, options, connection, opening };
  if (!options.capacity.enter(connection)) return refuse(NO_ROOM);

  const outcome = await admitClient(arrival);
  if (outcome.kind === "refused") return refuse(outcome);
  if (connection.isOver) return;
  const served = await serveClient(outcome, arrival);
  if (served !== undefined) refuse(served);
}
