import { BlockList, isIP, isIPv4 } from "node:net";

/** The process's environment, passed in by the command line. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy that HTTPS_PROXY names for a server, unless NO_PROXY excludes it, as Go's programs decide it. */
export function decideProxy(server: string, environment: Environment): string | undefined {
  const { protocol, hostname, port } = new URL(server);
  const name = protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = environment[name] || environment[name.toLowerCase()];
  if (!proxy) return undefined;
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const exceptions = (environment["NO_PROXY"] || environment["no_proxy"] || "").split(",");
  const target = { host, port: port || (protocol === "https:" ? "443" : "80") };
  if (isLoopback(host) || exceptions.some((entry) => matches(entry.trim().toLowerCase(), target))) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

interface Target {
  readonly host: string;
  readonly port: string;
}

/** `*`, a domain with all below it, `.domain` for those below it alone, an address, a CIDR; each with a port or none. */
function matches(entry: string, { host, port }: Target): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  if (entry.includes("/")) return isInSubnet(host, entry);
  const [, name = "", onlyPort] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (onlyPort !== undefined && onlyPort !== port) return false;
  const wanted = name.replace(/^\[|\]$/g, "");
  if (isIP(wanted) !== 0) return wanted === host;
  const domain = wanted.replace(/^\*?\./, "");
  return host.endsWith(`.${domain}`) || (host === domain && domain === wanted);
}

function isInSubnet(host: string, cidr: string): boolean {
  const [network = "", length = ""] = cidr.split("/");
  const bits = Number(length);
  const isSubnet = isIP(network) !== 0 && /^\d+$/.test(length) && bits <= (isIPv4(network) ? 32 : 128);
  if (!isSubnet || isIP(host) !== isIP(network)) return false;
  const subnet = new BlockList();
  subnet.addSubnet(network, bits, isIPv4(network) ? "ipv4" : "ipv6");
  return subnet.check(host, isIPv4(host) ? "ipv4" : "ipv6");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
