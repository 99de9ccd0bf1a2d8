import { Http1Upstream } from "./http1-upstream.ts";
import { Http2Upstream } from "./http2-upstream.ts";
import type { DialedUpstream, UpstreamConnection, UpstreamOptions } from "./upstream-connection.ts";

/** The connection of the protocol that was negotiated. */
export function connectUpstream(dialed: DialedUpstream, options: UpstreamOptions): UpstreamConnection {
  switch (dialed.protocol) {
    case "http1":
      return new Http1Upstream(dialed, options);
    case "http2":
      return new Http2Upstream(dialed, options);
  }
}
