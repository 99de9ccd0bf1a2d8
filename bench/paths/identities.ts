/** Who the two sides of every path are. */
export const CLIENT_ID = "spiffe://cluster.local/ns/bench/sa/client";
export const SERVER_ID = "spiffe://cluster.local/ns/bench/sa/server";

/** The name that HAProxy, nginx and http-proxy verify: they know no SPIFFE ids. */
export const SERVER_NAME = "server.bench";
