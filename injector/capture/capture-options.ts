import { CaptureError } from "./capture-error.ts";
import { type IpRange, parseIpRange } from "./ip-range.ts";

/** What of a pod's traffic goes through its proxy. Names and meanings are those of Istio's annotations. */
export interface CaptureOptions {
  /** Where captured outbound connections go. */
  readonly outboundPort: number;
  /** Where captured inbound connections go. */
  readonly inboundPort: number;
  /** Users and groups whose traffic is the proxy's own. */
  readonly proxyUids: readonly number[];
  readonly proxyGids: readonly number[];
  /** Outbound addresses that are captured; `*` is all. */
  readonly includeOutboundIpRanges: "*" | readonly IpRange[];
  readonly excludeOutboundIpRanges: readonly IpRange[];
  /** Inbound ports that are captured; `*` is all but the excluded ones. */
  readonly includeInboundPorts: "*" | readonly number[];
  /** Looked at only where all inbound ports are captured, as in Istio. */
  readonly excludeInboundPorts: readonly number[];
  /** Captured whatever their address. */
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  /** Network interfaces whose traffic is left alone. */
  readonly excludeInterfaces: readonly string[];
  /** Drops packets that connection tracking calls invalid, before they reset live connections (istio#36566). */
  readonly dropInvalid: boolean;
}

/** The proxy's own ports that the kubelet and Prometheus must reach in clear. */
export const PROXY_CLEAR_PORTS: readonly number[] = [15090, 15021, 15020];

/** The user and group of the proxy; its traffic is not captured. */
export const PROXY_ID = 1337;

export const DEFAULT_CAPTURE_OPTIONS: CaptureOptions = {
  outboundPort: 15001,
  inboundPort: 15006,
  proxyUids: [PROXY_ID],
  proxyGids: [PROXY_ID],
  includeOutboundIpRanges: "*",
  excludeOutboundIpRanges: [],
  includeInboundPorts: "*",
  excludeInboundPorts: PROXY_CLEAR_PORTS,
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
  dropInvalid: false,
};

/** Reads `8080` as a TCP port, 1 to 65535. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw invalidValue(text, "a port; write a number from 1 to 65535");
  return port;
}

/** Reads `8080, 9090`; empty text is no port. */
export function parsePortList(text: string): readonly number[] {
  return [...new Set(splitList(text).map(parsePort))];
}

/** Reads `*` or a list of ports. */
export function parsePortsOrAll(text: string): "*" | readonly number[] {
  return text.trim() === "*" ? "*" : parsePortList(text);
}

/** Reads `10.0.0.0/8, 2001:db8::/32`; empty text is no range. */
export function parseIpRangeList(text: string): readonly IpRange[] {
  return splitList(text).map(parseIpRange);
}

/** Reads `*` or a list of ranges. */
export function parseIpRangesOrAll(text: string): "*" | readonly IpRange[] {
  return text.trim() === "*" ? "*" : parseIpRangeList(text);
}

/** Reads `eth1, net+`: Linux interface names, at most 15 characters; iptables takes a trailing + as a wildcard. */
export function parseInterfaceList(text: string): readonly string[] {
  return [...new Set(splitList(text).map(parseInterface))];
}

/** Reads a list of user or group numbers. */
export function parseIdList(text: string): readonly number[] {
  return splitList(text).map((part) => {
    if (!/^\d{1,10}$/.test(part) || Number(part) > 0xfffffffe) throw invalidValue(part, "a user or group number");
    return Number(part);
  });
}

/** The letters are few on purpose: the name becomes part of a rule's text. */
function parseInterface(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,13}[A-Za-z0-9_.@:+-]?$/.test(text)) {
    throw invalidValue(text, "the name of a network interface (at most 15 letters, digits, _ . @ : -, then maybe +)");
  }
  return text;
}

function splitList(text: string): readonly string[] {
  return text.trim() === "" ? [] : text.split(",").map((part) => part.trim());
}

function invalidValue(text: string, wanted: string): CaptureError {
  return new CaptureError("invalid_value", `"${text}" is not ${wanted}`);
}
