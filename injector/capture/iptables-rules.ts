import type { CaptureOptions } from "./capture-options.ts";
import type { IpFamily } from "./ip-range.ts";

/** One iptables table as far as it is ours: our chains whole, and the jumps into them from the built-in chains. */
export interface CaptureTable {
  readonly table: "nat" | "mangle";
  readonly chains: readonly Chain[];
  readonly jumps: readonly ChainRule[];
}

export interface Chain {
  readonly name: string;
  /** What follows `-A NAME`. */
  readonly rules: readonly string[];
}

export interface ChainRule {
  readonly chain: string;
  readonly rule: string;
}

/** Every chain that is ours, whatever the options: what `capture remove` takes away. The names are Istio's, but for mangle's. */
export const CAPTURE_CHAINS = {
  nat: ["ISTIO_INBOUND", "ISTIO_REDIRECT", "ISTIO_IN_REDIRECT", "ISTIO_OUTPUT"],
  mangle: ["ISTIO_DROP_INVALID"],
} as const;

/** Where the proxy's own connections to the application come from: they must not be captured again. */
const INBOUND_SOURCE = { ipv4: "127.0.0.6/32", ipv6: "::6/128" } as const;
const LOCALHOST = { ipv4: "127.0.0.1/32", ipv6: "::1/128" } as const;
/** Istio's tunnel (HBONE) between ambient workloads; no sidecar captures it. */
const TUNNEL_PORT = 15008;

/**
 * The rules that send a pod's TCP traffic through its proxy: Istio's chains, in Istio's order. Two departures: the
 * excluded interfaces are tested inside our chains, not in the built-in ones, and packets of invalid state are dropped in
 * a chain of our own. So all that is ours can be told from all that is not, and be taken away again.
 */
export function captureTables(options: CaptureOptions, family: IpFamily): readonly CaptureTable[] {
  const nat: CaptureTable = {
    table: "nat",
    chains: [
      { name: "ISTIO_INBOUND", rules: inboundRules(options) },
      { name: "ISTIO_REDIRECT", rules: [`-p tcp -j REDIRECT --to-ports ${options.outboundPort}`] },
      { name: "ISTIO_IN_REDIRECT", rules: [`-p tcp -j REDIRECT --to-ports ${options.inboundPort}`] },
      { name: "ISTIO_OUTPUT", rules: outputRules(options, family) },
    ],
    jumps: [
      ...(capturesInbound(options) ? [{ chain: "PREROUTING", rule: "-p tcp -j ISTIO_INBOUND" }] : []),
      { chain: "OUTPUT", rule: "-j ISTIO_OUTPUT" },
    ],
  };
  return options.dropInvalid ? [nat, dropInvalidTable()] : [nat];
}

/** The same as text for `iptables-restore --noflush`: one transaction a table, the jumps last. */
export function formatCaptureRules(options: CaptureOptions, family: IpFamily): string {
  return captureTables(options, family)
    .map((table) => formatTable(table, []))
    .join("");
}

/**
 * One table's transaction. Naming a chain with `:` makes it, or empties it where it exists; the stale jumps go in the same
 * commit that brings the new ones, so there is no moment without rules.
 */
export function formatTable(table: CaptureTable, staleJumps: readonly ChainRule[]): string {
  const lines = [
    `*${table.table}`,
    ...table.chains.map((chain) => `:${chain.name} - [0:0]`),
    ...table.chains.flatMap((chain) => chain.rules.map((rule) => `-A ${chain.name} ${rule}`)),
    ...staleJumps.map(({ chain, rule }) => `-D ${chain} ${rule}`),
    ...table.jumps.map(({ chain, rule }) => `-A ${chain} ${rule}`),
    "COMMIT",
  ];
  return `${lines.join("\n")}\n`;
}

function capturesInbound(options: CaptureOptions): boolean {
  return options.includeInboundPorts === "*" || options.includeInboundPorts.length > 0;
}

function inboundRules(options: CaptureOptions): readonly string[] {
  const { includeInboundPorts, excludeInboundPorts } = options;
  const rules = options.excludeInterfaces.map((name) => `-i ${name} -j RETURN`);
  rules.push(`-p tcp --dport ${TUNNEL_PORT} -j RETURN`);
  if (includeInboundPorts !== "*") {
    return [...rules, ...includeInboundPorts.map((port) => `-p tcp --dport ${port} -j ISTIO_IN_REDIRECT`)];
  }
  rules.push(...excludeInboundPorts.map((port) => `-p tcp --dport ${port} -j RETURN`));
  return [...rules, "-p tcp -j ISTIO_IN_REDIRECT"];
}

function outputRules(options: CaptureOptions, family: IpFamily): readonly string[] {
  const ofFamily = (range: { readonly family: IpFamily }) => range.family === family;
  return [
    ...options.excludeInterfaces.map((name) => `-o ${name} -j RETURN`),
    ...options.excludeOutboundPorts.flatMap((port) =>
      ["tcp", "udp"].map((protocol) => `-p ${protocol} --dport ${port} -j RETURN`),
    ),
    `-o lo -s ${INBOUND_SOURCE[family]} -j RETURN`,
    ...options.proxyUids.flatMap((uid) => ownerRules(`--uid-owner ${uid}`, options, family)),
    ...options.proxyGids.flatMap((gid) => ownerRules(`--gid-owner ${gid}`, options, family)),
    `-d ${LOCALHOST[family]} -j RETURN`,
    ...options.excludeOutboundIpRanges.filter(ofFamily).map((range) => `-d ${range.text} -j RETURN`),
    ...options.includeOutboundPorts.map((port) => `-p tcp --dport ${port} -j ISTIO_REDIRECT`),
    ...includedRanges(options, family),
  ];
}

/**
 * For the proxy's own traffic and for what stays in the pod. In order: the proxy that calls its own pod's address goes
 * through the inbound side, so that policy holds there too; an application that calls itself is left alone, unless the
 * user asked for loopback addresses; all else that the proxy sends leaves as it is.
 */
function ownerRules(owner: string, options: CaptureOptions, family: IpFamily): readonly string[] {
  const { includeOutboundIpRanges: ranges } = options;
  const wantsLoopback = ranges !== "*" && ranges.some((range) => range.isLoopback);
  return [
    `-o lo ! -d ${LOCALHOST[family]} -p tcp ! --dport ${TUNNEL_PORT} -m owner ${owner} -j ISTIO_IN_REDIRECT`,
    ...(wantsLoopback ? [] : [`-o lo -m owner ! ${owner} -j RETURN`]),
    `-m owner ${owner} -j RETURN`,
  ];
}

function includedRanges(options: CaptureOptions, family: IpFamily): readonly string[] {
  const { includeOutboundIpRanges: ranges } = options;
  if (ranges === "*") return ["-j ISTIO_REDIRECT"];
  return ranges.filter((range) => range.family === family).map((range) => `-d ${range.text} -j ISTIO_REDIRECT`);
}

function dropInvalidTable(): CaptureTable {
  return {
    table: "mangle",
    chains: [{ name: "ISTIO_DROP_INVALID", rules: ["-m conntrack --ctstate INVALID -j DROP"] }],
    jumps: [{ chain: "PREROUTING", rule: "-j ISTIO_DROP_INVALID" }],
  };
}
