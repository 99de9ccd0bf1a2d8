import type { Socket } from "node:net";
import type { Activity } from "../../connections/limits/connection-capacity.ts";
import type { Relay } from "../../connections/relay.ts";
import type { DownstreamOptions } from "./downstream-options.ts";
import { Http1Downstream } from "./http1-downstream.ts";
import { Http2Downstream } from "./http2-downstream.ts";

/** A client's HTTP connection in service, whatever its version. */
export interface ServedClient extends Relay, Activity {
  /** Of the client's connection. */
  bytes(): { readonly received: number; readonly sent: number };
  /** The policies have changed: ends each request that they deny now, and no other. */
  judgeRequests(): void;
}

/** Serves a client's requests until its connection ends. */
export function serveClient(socket: Socket, options: DownstreamOptions): ServedClient {
  switch (options.protocol) {
    case "http1":
      return new Http1Downstream(socket, options);
    case "http2":
      return new Http2Downstream(socket, options);
  }
}
