import type { UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { RequestHead } from "../../messages/message-head.ts";

/** From how many requests in progress, in the mean, the requests to an adaptive endpoint share HTTP/2 connections. */
export const SHARED_FROM = 6;

/** Larger content stays on HTTP/1.1, in bytes: it gains nothing by sharing, and would hold up the small requests. */
export const MAX_SHARED_CONTENT = 65_536;

/** What an endpoint's latest requests were like; see `EndpointTraffic`. */
export interface TrafficMeans {
  /** How many others were in progress when one began. */
  readonly parallel: number;
  /** Of one response, head and body. */
  readonly responseBytes: number;
}

/** The endpoint that was chosen for a request. */
export interface HopEndpoint {
  /** Then the protocol is negotiated. Otherwise the application must speak what is sent. */
  readonly mutualTls: boolean;
  readonly traffic: TrafficMeans;
}

/**
 * The codec of a request's upstream connection. HTTP/2 is a wish where it is negotiated: a peer without it gets HTTP/1.1.
 * Adaptive means: HTTP/2 for requests of HTTP/2; HTTP/1.1 requests share an HTTP/2 connection while many are in progress,
 * because only then do they share packets: HTTP/2 costs a third more CPU than HTTP/1.1 with 4 at a time, the same with 8, a
 * quarter less with 32 (bench/README.md). Large messages, upgrades and HTTP/1.0 between sidecars stay on HTTP/1.1.
 */
export function decideHopVersion(head: RequestHead, endpoint: HopEndpoint, wanted: UpstreamHttpVersion): HttpProtocol {
  const { version, upgrade, authority } = head;
  const { mutualTls, traffic } = endpoint;
  if (upgrade !== undefined || authority === "") return "http1";
  if (version === "2") return mutualTls || wanted === "2" || wanted === "client" ? "http2" : "http1";
  if (version === "1.0" && mutualTls) return "http1";
  switch (wanted) {
    case "2":
      return "http2";
    case "1.1":
    case "client":
      return "http1";
    case "adaptive":
      return mutualTls && isShareable(traffic) && isSmall(head) ? "http2" : "http1";
  }
}

function isShareable({ parallel, responseBytes }: TrafficMeans): boolean {
  return parallel >= SHARED_FROM && responseBytes < MAX_SHARED_CONTENT;
}

function isSmall({ content }: RequestHead): boolean {
  return content.kind === "none" || (content.kind === "length" && content.length < MAX_SHARED_CONTENT);
}
