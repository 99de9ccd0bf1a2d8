import type { AccessLogEntry } from "../request-meter.ts";

/** A completed request, as the outbound side logs it. */
export const REQUEST_ENTRY: AccessLogEntry = {
  kind: "request",
  direction: "outbound",
  startedAtMs: Date.parse("2030-01-01T00:00:00.250Z"),
  durationMs: 12.4,
  method: "GET",
  path: "/hello?name=world",
  authority: "world.ns2:8080",
  protocol: "HTTP/1.1",
  status: 200,
  grpcStatus: undefined,
  flags: "-",
  details: "",
  bytesReceived: 120,
  bytesSent: 4096,
  requestId: "c8e8a3a6-9d0f-4f6e-8a5b-0a3f4b6f1c2d",
  userAgent: "curl/8.5.0",
  downstream: "10.0.1.5:41234",
  destination: "10.96.0.7:8080",
  upstream: "10.0.2.9:8080",
  cluster: "outbound|8080||world.ns2.svc.cluster.local",
  route: "VirtualService/world.ns2[0]",
  peer: "spiffe://cluster.local/ns/ns2/sa/world",
  authorization: undefined,
};

/** A connection that was relayed as a stream. */
export const STREAM_ENTRY: AccessLogEntry = {
  ...REQUEST_ENTRY,
  kind: "stream",
  direction: "inbound",
  method: "",
  path: "",
  authority: "",
  protocol: "TCP",
  status: 0,
  flags: "DC",
  requestId: "",
  userAgent: "",
  cluster: "inbound|8080||",
  route: "",
  peer: "",
};
