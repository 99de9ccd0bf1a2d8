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
const FLAGS = {
  "outbound-port": { type: "string", short: "p" },
  "inbound-port": { type: "string", short: "z" },
  "proxy-uid": { type: "string", short: "u" },
  "proxy-gid": { type: "string", short: "g" },
  mode: { type: "string", short: "m" },
  "include-outbound-ip-ranges": { type: "string", short: "i" },
  "exclude-outbound-ip-ranges": { type: "string", short: "x" },
  "include-inbound-ports": { type: "string", short: "b" },
  "exclude-inbound-ports": { type: "string", short: "d" },
  "include-outbound-ports": { type: "string", short: "q" },
  "exclude-outbound-ports": { type: "string", short: "o" },
  "exclude-interfaces": { type: "string", short: "c" },
  "drop-invalid": { type: "boolean" },
  ipv6: { type: "string" },
} as const;

/** Parses the arguments of `entente capture apply`; missing ones get Istio's defaults. */
export function parseCaptureArgs(args: readonly string[]): CaptureArgs {
  const { values } = parseArgs({ args: [...args], options: FLAGS, strict: true, allowPositionals: false });
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
