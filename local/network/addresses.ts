/** Addresses of one local cluster. They exist only inside its own namespaces, so that clusters can run side by side. */
export const GATEWAY_IP = "10.244.0.1";
export const SERVICE_NETWORK = "10.96.0.0/16";

const FIRST_POD = 10;
const FIRST_SERVICE = 10;
const LAST = 65_000;

/** Gives addresses in order, never one twice. */
export interface AddressPlan {
  nextPodIp(): string;
  nextServiceIp(): string;
}

export function createAddressPlan(): AddressPlan {
  let pods = FIRST_POD;
  let services = FIRST_SERVICE;
  return {
    nextPodIp: () => hostOf("10.244", pods++),
    nextServiceIp: () => hostOf("10.96", services++),
  };
}

function hostOf(prefix: string, index: number): string {
  if (index > LAST) throw new RangeError(`the network ${prefix}.0.0/16 has no address left`);
  return `${prefix}.${index >> 8}.${index & 0xff}`;
}
