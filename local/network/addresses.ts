import { isIPv4 } from "node:net";

/** Addresses of one local cluster. They exist only in its own namespaces, so that clusters can run at the same time. */
export const GATEWAY_IP = "10.244.0.1";
export const SERVICE_NETWORK = "10.96.0.0/16";

const FIRST_POD = 10;
const FIRST_SERVICE = 10;
const LAST = 65_000;

/** Assigns addresses in order, never one twice. */
export interface AddressPlan {
  nextPodIp(): string;
  nextServiceIp(): string;
  /** Reserves an address for the Service that requests it. */
  reserve(serviceIp: string): void;
}

export function createAddressPlan(): AddressPlan {
  let pods = FIRST_POD;
  let services = FIRST_SERVICE;
  const reserved = new Set<string>();
  return {
    nextPodIp: () => hostOf("10.244", pods++),
    nextServiceIp: () => {
      let ip = hostOf("10.96", services++);
      while (reserved.has(ip)) ip = hostOf("10.96", services++);
      return ip;
    },
    reserve: (ip) => void reserved.add(ip),
  };
}

/** Whether a Service may request the address. */
export function isServiceIp(ip: string): boolean {
  return isIPv4(ip) && ip.startsWith("10.96.");
}

function hostOf(prefix: string, index: number): string {
  if (index > LAST) throw new RangeError(`the network ${prefix}.0.0/16 has no address left`);
  return `${prefix}.${index >> 8}.${index & 0xff}`;
}
