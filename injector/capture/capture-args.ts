import { parseArgs } from "node:util";
import { CaptureError } from "./capture-error.ts";
import {
  type CaptureOptions,
  DEFAULT_CAPTURE_OPTIONS,
  parseIdList,
  parseInterfaceList,
  parseIpRangeList,
  parseIpRangesOrAll,
  parsePort,
  parsePortList,
  parsePortsOrAll,
} from "./capture-options.ts";
import type { IpRange } from "./ip-range.ts";

/** Whether IPv6 rules are applied: `auto` applies them if the pod has IPv6. */
export type Ipv6Capture = "auto" | "on" | "off";

export interface CaptureArgs {
  readonly options: CaptureOptions;
  readonly ipv6: Ipv6Capture;
}

/** The same letters as Istio's own init container, so that command lines are compatible. */
export const CAPTURE_FLAGS = {
  "outbound-port": {
    type: "string",
    short: "p",
    value: "PORT",
    help: "redirect outbound connections to this port (15001)",
  },
  "inbound-port": {
    type: "string",
    short: "z",
    value: "PORT",
    help: "redirect inbound connections to this port (15006)",
  },
  "proxy-uid": {
    type: "string",
    short: "u",
    value: "IDS",
    help: "users whose traffic counts as the proxy's own (1337)",
  },
  "proxy-gid": { type: "string", short: "g", value: "IDS", help: "groups, likewise (the same as --proxy-uid)" },
  mode: { type: "string", short: "m", value: "REDIRECT", help: "the only mode" },
  "include-outbound-ip-ranges": {
    type: "string",
    short: "i",
    value: "LIST",
    help: "addresses to capture, * for all (*)",
  },
  "exclude-outbound-ip-ranges": { type: "string", short: "x", value: "LIST", help: "addresses not to capture" },
  "include-inbound-ports": { type: "string", short: "b", value: "LIST", help: "ports to capture, * for all (*)" },
  "exclude-inbound-ports": {
    type: "string",
    short: "d",
    value: "LIST",
    help: "ports not to capture (15090,15021,15020)",
  },
  "include-outbound-ports": {
    type: "string",
    short: "q",
    value: "LIST",
    help: "ports to capture for every address",
  },
  "exclude-outbound-ports": { type: "string", short: "o", value: "LIST", help: "ports not to capture" },
  "exclude-interfaces": { type: "string", short: "c", value: "LIST", help: "network interfaces not to capture" },
  "drop-invalid": { type: "boolean", help: "drop packets in conntrack state INVALID" },
  ipv6: {
    type: "string",
    choices: ["auto", "on", "off"],
    help: "whether to create IPv6 rules (auto: if the pod has IPv6)",
  },
} as const;

/** Parses the arguments of `entente capture apply`; missing ones get Istio's defaults. */
export function parseCaptureArgs(args: readonly string[]): CaptureArgs {
  const { values } = parseArgs({ args: [...args], options: CAPTURE_FLAGS, strict: true, allowPositionals: false });
  if (values.mode !== undefined && values.mode !== "REDIRECT") {
    throw new CaptureError("invalid_value", `the interception mode "${values.mode}" is not supported; use REDIRECT`);
  }
  const defaults = DEFAULT_CAPTURE_OPTIONS;
  const uids = read(values["proxy-uid"], parseIdList, defaults.proxyUids);
  return {
    ipv6: parseIpv6Capture(values.ipv6 ?? "auto"),
    options: {
      outboundPort: read(values["outbound-port"], parsePort, defaults.outboundPort),
      inboundPort: read(values["inbound-port"], parsePort, defaults.inboundPort),
      proxyUids: uids,
      // As in Istio: the group defaults to the user's number.
      proxyGids: read(values["proxy-gid"], parseIdList, uids),
      includeOutboundIpRanges: read(values["include-outbound-ip-ranges"], parseIpRangesOrAll, "*"),
      excludeOutboundIpRanges: read(values["exclude-outbound-ip-ranges"], parseIpRangeList, []),
      includeInboundPorts: read(values["include-inbound-ports"], parsePortsOrAll, "*"),
      excludeInboundPorts: read(values["exclude-inbound-ports"], parsePortList, defaults.excludeInboundPorts),
      includeOutboundPorts: read(values["include-outbound-ports"], parsePortList, []),
      excludeOutboundPorts: read(values["exclude-outbound-ports"], parsePortList, []),
      excludeInterfaces: read(values["exclude-interfaces"], parseInterfaceList, []),
      dropInvalid: values["drop-invalid"] ?? false,
    },
  };
}

/**
 * Formats the arguments that `parseCaptureArgs` parses; those that Istio always passes come first, in Istio's order.
 */
export function formatCaptureArgs({ options, ipv6 }: CaptureArgs): readonly string[] {
  const args = ["-p", String(options.outboundPort), "-z", String(options.inboundPort)];
  args.push("-u", options.proxyUids.join(","), "-g", options.proxyGids.join(","), "-m", "REDIRECT");
  args.push("-i", formatRanges(options.includeOutboundIpRanges), "-x", formatRanges(options.excludeOutboundIpRanges));
  args.push("-b", formatPorts(options.includeInboundPorts), "-d", formatPorts(options.excludeInboundPorts));
  if (options.includeOutboundPorts.length > 0) args.push("-q", formatPorts(options.includeOutboundPorts));
  if (options.excludeOutboundPorts.length > 0) args.push("-o", formatPorts(options.excludeOutboundPorts));
  if (options.excludeInterfaces.length > 0) args.push("-c", options.excludeInterfaces.join(","));
  if (options.dropInvalid) args.push("--drop-invalid");
  if (ipv6 !== "auto") args.push("--ipv6", ipv6);
  return args;
}

/** Parses `auto`, `on` or `off`. */
export function parseIpv6Capture(text: string): Ipv6Capture {
  if (text === "auto" || text === "on" || text === "off") return text;
  throw new CaptureError("invalid_value", `"${text}" is not a mode for IPv6; use auto, on or off`);
}

function read<Value>(text: string | undefined, parse: (text: string) => Value, otherwise: Value): Value {
  return text === undefined ? otherwise : parse(text);
}

function formatPorts(ports: "*" | readonly number[]): string {
  return ports === "*" ? "*" : ports.join(",");
}

function formatRanges(ranges: "*" | readonly IpRange[]): string {
  return ranges === "*" ? "*" : ranges.map((range) => range.text).join(",");
}
