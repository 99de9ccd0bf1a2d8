import type { CaptureOptions } from "./capture-options.ts";
import type { IpFamily } from "./ip-range.ts";

/** Our part of one iptables table: our chains, and the jumps into them from the built-in chains. */
export interface CaptureTable {
  readonly table: "nat" | "mangle";
  readonly chains: readonly Chain[];
  readonly jumps: readonly ChainRule[];
}

export interface Chain {
  readonly name: string;
  /** The part after `-A NAME`. */
  readonly rules: readonly string[];
}

export interface ChainRule {
  readonly chain: string;
  readonly rule: string;
}

/**
 * Every chain that any options can create: what `capture remove` deletes. The names are Istio's, except for mangle's.
 */
export const CAPTURE_CHAINS = {
  nat: ["ISTIO_INBOUND", "ISTIO_REDIRECT", "ISTIO_IN_REDIRECT", "ISTIO_OUTPUT"],
  mangle: ["ISTIO_DROP_INVALID"],
} as const;

/** The source address of the proxy's connections to the application: they must not be captured again. */
const INBOUND_SOURCE = { ipv4: "127.0.0.6/32", ipv6: "::6/128" } as const;
const LOCALHOST = { ipv4: "127.0.0.1/32", ipv6: "::1/128" } as const;
/** Istio's tunnel (HBONE) between ambient workloads; sidecars do not capture it. */
const TUNNEL_PORT = 15008;

/**
 * The rules that redirect a pod's TCP traffic to its proxy: Istio's chains, in Istio's order. There are two
 * differences: excluded interfaces are matched inside our chains, not in the built-in ones, and invalid packets are
 * dropped in a separate chain. So all of our rules can be recognised and removed.
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

/** The same as input for `iptables-restore --noflush`: one transaction per table, the jumps last. */
export function formatCaptureRules(options: CaptureOptions, family: IpFamily): string {
  return captureTables(options, family)
    .map((table) => formatTable(table, []))
    .join("");
}

/**
 * One table's transaction. Naming a chain with `:` creates it or empties it. Stale jumps are removed in the same commit
 * that adds the new ones, so the rules are never absent.
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
 * Rules for the proxy's own traffic and for traffic inside the pod. In order: the proxy's calls to its own pod's
 * address go through the inbound listener, so that policy applies; an application's calls to itself are not captured,
 * unless the user included loopback addresses; other traffic from the proxy leaves unchanged.
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
