import type { AuthorizationVerdict } from "../../mesh/policy/authorization/authorization.ts";
import type { GrpcStatus } from "../../mesh/resources/fields/grpc-status-names.ts";
import type { ConnectionFacts } from "./connection-labels.ts";

/**
 * Envoy's flags for how a request ended, as Istio's metrics and access log carry them: `-` success, `DC` the client
 * disconnected, `DR` it reset its stream, `DPE` malformed request, `UC` the upstream closed the connection, `UR` it reset
 * the stream, `UF` upstream unreachable, `UH` no healthy endpoint, `UPE` malformed response, `UT` the timeout of the
 * route or of the call of gRPC, `UO` too many requests in progress, `SI` idle too long, `NR` no route, `FI` an injected
 * abort, `DO` cut by the proxy.
 */
export type RequestFlags =
  | "-"
  | "DC"
  | "DR"
  | "DPE"
  | "UC"
  | "UR"
  | "UF"
  | "UH"
  | "UPE"
  | "UT"
  | "UO"
  | "SI"
  | "NR"
  | "FI"
  | "DO";

/** Additional flags of a request, besides how it ended. */
export interface RequestMarks {
  /** `DI`: an injected delay was applied. */
  readonly isDelayed: boolean;
  /** `URX`: its route's policy would have retried it, but for the number of attempts. */
  readonly isRetryLimitExceeded: boolean;
}

/** Envoy's order, that of its `CoreResponseFlag`. */
const FLAG_ORDER = [
  "UH",
  "UT",
  "UR",
  "UF",
  "UC",
  "UO",
  "NR",
  "DI",
  "FI",
  "DC",
  "URX",
  "SI",
  "DPE",
  "UPE",
  "DR",
  "DO",
] as const;

/** `UF,URX`: all flags of a request, in Envoy's order and form. */
export function formatFlags(end: RequestFlags, marks: RequestMarks): string {
  return marks.isDelayed || marks.isRetryLimitExceeded ? joinFlags(end, marks) : end;
}

function joinFlags(end: RequestFlags, { isDelayed, isRetryLimitExceeded }: RequestMarks): string {
  const isSet = (flag: (typeof FLAG_ORDER)[number]): boolean =>
    flag === end || (flag === "DI" && isDelayed) || (flag === "URX" && isRetryLimitExceeded);
  return FLAG_ORDER.filter(isSet).join(",");
}

/** A finished request. */
export interface CountedRequest {
  /** 100..599; 0 if the client disconnected before a response. */
  readonly status: number;
  /** As `formatFlags` writes them. */
  readonly flags: string;
  readonly durationMs: number;
  /** Head and body as received from the client. */
  readonly requestBytes: number;
  /** Head and body as sent to the client. */
  readonly responseBytes: number;
}

/** Counts the requests of one pair of workloads. On the data path: no allocation for a known status. */
export interface RequestMeter {
  count(request: CountedRequest): void;
  /** Counts those that are calls of gRPC. */
  readonly calls: GrpcMeter;
}

/** A finished call of gRPC. */
export interface CountedCall extends CountedRequest {
  /** As `decideGrpcStatus` finds it; `undefined`: there was no response. */
  readonly grpcStatus: GrpcStatus | undefined;
}

/** Counts the calls of gRPC of one pair of workloads. */
export interface GrpcMeter {
  countCall(call: CountedCall): void;
  /** Messages since the last report. A long call reports while it lasts: its end may be days away. */
  addMessages(requests: number, responses: number): void;
}

/** Looks a meter up when it is first needed: most connections never need one of their own. */
export function lazyMeter(create: () => RequestMeter): () => RequestMeter {
  let meter: RequestMeter | undefined;
  return () => {
    meter ??= create();
    return meter;
  };
}

/** Creates meters. Called once per connection and endpoint, not per request. */
export interface RequestMeters {
  requestMeter(facts: ConnectionFacts): RequestMeter;
}

/** Counts the verdicts of AuthorizationPolicies. Without policies there is none. */
export interface AuthorizationMeter {
  countVerdict(verdict: AuthorizationVerdict, protocol: JudgedProtocol): void;
}

/** What was judged: a request of any version, or a stream. */
export type JudgedProtocol = "http" | "tcp";

/** What the traffic of a sidecar counts. */
export interface TrafficMeters extends RequestMeters, AuthorizationMeter {}

/** An access log entry of a request or a stream; its field names are Istio's (`%START_TIME%` and so on). */
export interface AccessLogEntry {
  readonly kind: "request" | "stream";
  readonly direction: "inbound" | "outbound";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** Empty for a stream. */
  readonly method: string;
  /** The request target; empty for a stream. */
  readonly path: string;
  readonly authority: string;
  readonly protocol: "HTTP/2" | "HTTP/1.1" | "HTTP/1.0" | "TCP";
  /** 0 for a stream, and if there was no response. */
  readonly status: number;
  /** Of a call of gRPC that had a response. */
  readonly grpcStatus: GrpcStatus | undefined;
  /** As `formatFlags` writes them. */
  readonly flags: string;
  /** The reason of a local reply, such as `upstream_connect: …`; empty if the upstream responded. */
  readonly details: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly requestId: string;
  readonly userAgent: string;
  /** `ip:port`. */
  readonly downstream: string;
  /** The original destination, `ip:port`. */
  readonly destination: string;
  /** The endpoint, `ip:port`; empty if none was reached. */
  readonly upstream: string;
  /** `outbound|PORT|SUBSET|HOST` or `inbound|PORT||`, as Istio names clusters. */
  readonly cluster: string;
  /** `VirtualService/NAME.NAMESPACE[INDEX]`, or `default`. */
  readonly route: string;
  /** The verified SPIFFE id of the peer; empty for plaintext. */
  readonly peer: string;
  /** The verdict of the AuthorizationPolicies; `undefined`: there is none, or it was not judged. */
  readonly authorization: AuthorizationVerdict | undefined;
}

/** Receives the entries. */
export interface AccessLog {
  write(entry: AccessLogEntry): void;
}
