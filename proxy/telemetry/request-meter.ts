import type { ConnectionFacts } from "./connection-labels.ts";

/**
 * Envoy's flags for how a request ended, as Istio's metrics and access log carry them: `-` well, `DC` the client went
 * away, `DPE` its request was malformed, `UC` the upstream ended the connection, `UF` it could not be reached, `UH` no
 * healthy endpoint, `UPE` its answer was malformed, `UT` it took longer than the route's timeout, `SI` idle too long, `NR`
 * no route, `FI` an injected abort, `DO` the proxy cut it.
 */
export type RequestFlags = "-" | "DC" | "DPE" | "UC" | "UF" | "UH" | "UPE" | "UT" | "SI" | "NR" | "FI" | "DO";

/** What may be true of a request beside how it ended. */
export interface RequestMarks {
  /** `DI`: it was held up by an injected delay. */
  readonly isDelayed: boolean;
  /** `URX`: its route's rule would have sent it again, but for the number of tries. */
  readonly isRetryLimitExceeded: boolean;
}

/** Envoy's order, which is that of its `CoreResponseFlag`. */
const FLAG_ORDER = ["UH", "UT", "UF", "UC", "NR", "DI", "FI", "DC", "URX", "SI", "DPE", "UPE", "DO"] as const;

/** `UF,URX`: all that is true of a request, in Envoy's order and form. */
export function formatFlags(end: RequestFlags, { isDelayed, isRetryLimitExceeded }: RequestMarks): string {
  if (!isDelayed && !isRetryLimitExceeded) return end;
  const isSet = (flag: (typeof FLAG_ORDER)[number]): boolean =>
    flag === end || (flag === "DI" && isDelayed) || (flag === "URX" && isRetryLimitExceeded);
  return FLAG_ORDER.filter(isSet).join(",");
}

/** One finished request. */
export interface CountedRequest {
  /** 100..599; 0 where the client was gone before an answer. */
  readonly status: number;
  /** As `formatFlags` writes them. */
  readonly flags: string;
  readonly durationMs: number;
  /** Head and body as they came from the client. */
  readonly requestBytes: number;
  /** Head and body as they went to the client. */
  readonly responseBytes: number;
}

/** Counts the requests of one pair of workloads. Stands on the data path: no allocation for a known status. */
export interface RequestMeter {
  count(request: CountedRequest): void;
}

/** Looks a meter up when it is first needed: most connections never need one of their own. */
export function lazyMeter(create: () => RequestMeter): () => RequestMeter {
  let meter: RequestMeter | undefined;
  return () => {
    meter ??= create();
    return meter;
  };
}

/** Where meters come from. Looked up once a connection and endpoint, not once a request. */
export interface RequestMeters {
  requestMeter(facts: ConnectionFacts): RequestMeter;
}

/** What the access log tells of a request or a stream; its field names are Istio's (`%START_TIME%` and so on). */
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
  readonly protocol: "HTTP/1.1" | "HTTP/1.0" | "TCP";
  /** 0 for a stream, and where nothing was answered. */
  readonly status: number;
  /** As `formatFlags` writes them. */
  readonly flags: string;
  /** What made the proxy answer itself, such as `upstream_connect: …`; empty where the upstream answered. */
  readonly details: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly requestId: string;
  readonly userAgent: string;
  /** `ip:port`. */
  readonly downstream: string;
  /** The original destination, `ip:port`. */
  readonly destination: string;
  /** The endpoint, `ip:port`; empty where none was reached. */
  readonly upstream: string;
  /** `outbound|PORT|SUBSET|HOST` or `inbound|PORT||`, as Istio names clusters. */
  readonly cluster: string;
  /** `VirtualService/NAME.NAMESPACE[INDEX]`, or `default`. */
  readonly route: string;
  /** The verified SPIFFE id at the other end of the mesh's connection; empty where that is plaintext. */
  readonly peer: string;
}

/** Where the entries go. */
export interface AccessLog {
  write(entry: AccessLogEntry): void;
}
