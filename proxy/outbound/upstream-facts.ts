import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Destination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { ConnectionFacts } from "../telemetry/connection-labels.ts";
import type { DialedConnection } from "./dial-destination.ts";

export interface UpstreamParties {
  /** This workload and its identity, if known. */
  readonly source: WorkloadInfo | undefined;
  readonly own: SpiffeId | undefined;
  readonly destination: Destination;
}

/** The metric labels of requests on a dialled connection. */
export function upstreamFacts(
  dialed: DialedConnection,
  { source, own, destination }: UpstreamParties,
): ConnectionFacts {
  const { peer, meshEndpoint } = dialed;
  return {
    reporter: "source",
    source,
    sourcePrincipal: peer === undefined ? undefined : own,
    destination: meshEndpoint?.workload,
    destinationPrincipal: peer?.identity,
    service: destination.kind === "mesh" ? destination.service : undefined,
    security: "unknown",
  };
}
