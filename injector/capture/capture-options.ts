import { CaptureError } from "./capture-error.ts";
import { type IpRange, parseIpRange } from "./ip-range.ts";

/** Which of a pod's traffic goes through its proxy. Names and meanings are those of Istio's annotations. */
export interface CaptureOptions {
  /** The port that captured outbound connections are redirected to. */
  readonly outboundPort: number;
  /** The port that captured inbound connections are redirected to. */
  readonly inboundPort: number;
  /** Users and groups whose traffic counts as the proxy's own. */
  readonly proxyUids: readonly number[];
  readonly proxyGids: readonly number[];
  /** Captured outbound addresses; `*` means all. */
  readonly includeOutboundIpRanges: "*" | readonly IpRange[];
  readonly excludeOutboundIpRanges: readonly IpRange[];
  /** Captured inbound ports; `*` means all except the excluded ones. */
  readonly includeInboundPorts: "*" | readonly number[];
  /** Used only if all inbound ports are captured, as in Istio. */
  readonly excludeInboundPorts: readonly number[];
  /** Outbound ports that are captured for every address. */
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  /** Network interfaces whose traffic is not captured. */
  readonly excludeInterfaces: readonly string[];
  /** Drops packets in conntrack state INVALID, before they reset live connections (istio#36566). */
  readonly dropInvalid: boolean;
}

/** The proxy's own ports that the kubelet and Prometheus must reach in plaintext. */
export const PROXY_PLAINTEXT_PORTS: readonly number[] = [15090, 15021, 15020];

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
  excludeInboundPorts: PROXY_PLAINTEXT_PORTS,
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
  dropInvalid: false,
};

/** Parses `8080` as a TCP port, 1 to 65535. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw invalidValue(text, "a port; use a number from 1 to 65535");
  return port;
}

/** Parses `8080, 9090`; empty text means no port. */
export function parsePortList(text: string): readonly number[] {
  return [...new Set(splitList(text).map(parsePort))];
}

/** Parses `*` or a list of ports. */
export function parsePortsOrAll(text: string): "*" | readonly number[] {
  return text.trim() === "*" ? "*" : parsePortList(text);
}

/** Parses `10.0.0.0/8, 2001:db8::/32`; empty text means no range. */
export function parseIpRangeList(text: string): readonly IpRange[] {
  return splitList(text).map(parseIpRange);
}

/** Parses `*` or a list of ranges. */
export function parseIpRangesOrAll(text: string): "*" | readonly IpRange[] {
  return text.trim() === "*" ? "*" : parseIpRangeList(text);
}

/** Parses `eth1, net+`: Linux interface names, at most 15 characters; iptables treats a trailing + as a wildcard. */
export function parseInterfaceList(text: string): readonly string[] {
  return [...new Set(splitList(text).map(parseInterface))];
}

/** Parses a list of user or group IDs. */
export function parseIdList(text: string): readonly number[] {
  return splitList(text).map((part) => {
    if (!/^\d{1,10}$/.test(part) || Number(part) > 0xfffffffe) throw invalidValue(part, "a user or group number");
    return Number(part);
  });
}

/** Only a few characters are allowed, because the name becomes part of a rule's text. */
function parseInterface(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,13}[A-Za-z0-9_.@:+-]?$/.test(text)) {
    throw invalidValue(
      text,
      "the name of a network interface (at most 15 letters, digits, _ . @ : -, optionally followed by +)",
    );
  }
  return text;
}

function splitList(text: string): readonly string[] {
  return text.trim() === "" ? [] : text.split(",").map((part) => part.trim());
}

function invalidValue(text: string, wanted: string): CaptureError {
  return new CaptureError("invalid_value", `"${text}" is not ${wanted}`);
}
