/**
 * What a server's sidecar reports about a request for which its application gave no response. `undelivered`: the
 * application received nothing of it. `interrupted`: it may have received it. Each version carries it in a form that no
 * application behind a sidecar can send.
 */
export type DeliveryReport = "undelivered" | "interrupted";
