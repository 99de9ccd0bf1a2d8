import type { Http1Limits } from "../../http1/http1-limits.ts";
import { Http1Upstream } from "./http1-upstream.ts";
import type { DialedUpstream, UpstreamConnection, UpstreamOwner } from "./upstream-connection.ts";

/** The connection of the protocol that was negotiated. */
export function connectUpstream(
  dialed: DialedUpstream,
  owner: UpstreamOwner,
  limits: Http1Limits | undefined,
): UpstreamConnection {
  switch (dialed.protocol) {
    case "http1":
      return new Http1Upstream(dialed, owner, limits);
  }
}
