import { lookup } from "node:dns";
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";

/**
 * Addresses that lead to the control plane's own machine or to the metadata of its cloud, which give credentials to
 * every client that reaches them. A user with rights in one namespace can write a RequestAuthentication, and the server
 * of another mesh's bundle can redirect.
 */
const LOCAL = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 4],
  ["255.255.255.255", 32],
] as const) {
  LOCAL.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 128],
  ["::1", 128],
  ["fe80::", 10],
  ["fd00:ec2::254", 128],
  ["ff00::", 8],
] as const) {
  LOCAL.addSubnet(network, prefix, "ipv6");
}

/** Whether an address is the machine's own, link-local or for several. @param ip without brackets. */
export function isLocalAddress(ip: string): boolean {
  return LOCAL.check(ip, isIPv6(ip) ? "ipv6" : "ipv4");
}

/** Why a URL is not fetched; `undefined`: it is. Names are checked when they are resolved (`lookupRemote`). */
export function findUrlFault(url: URL, allowsLocal: boolean): string | undefined {
  if (url.protocol !== "https:" && url.protocol !== "http:") return `has the scheme ${url.protocol.slice(0, 20)}`;
  if (url.username !== "" || url.password !== "") return "contains a user or a password";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return !allowsLocal && isIP(host) !== 0 && isLocalAddress(host) ? LOCAL_FAULT : undefined;
}

const LOCAL_FAULT = "leads to the control plane's own machine or to a link-local address";

/**
 * Resolves a name and fails if one of its addresses is local: otherwise the owner of the name could lead the connection
 * there. The address that is checked is the one that is dialled.
 */
export const lookupRemote: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return callback(error, "");
    const [first] = found;
    if (first === undefined || found.some(({ address }) => isLocalAddress(address))) {
      return callback(new Error(`${hostname} ${LOCAL_FAULT}`), "");
    }
    return options.all === true ? callback(null, [...found]) : callback(null, first.address, first.family);
  });
};
