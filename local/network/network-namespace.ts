import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import { LocalError } from "../local-error.ts";

const CLONE_NEWNET = 0x40000000;

/** The folder with the names of `ip netns`. */
export const NETNS_FOLDER = "/run/netns";

/**
 * Moves the calling thread into a named network namespace (setns(2), which Node lacks). Node opens sockets and starts
 * children on its main thread, so both use that namespace from then on. Sockets that are already open stay in their
 * namespace: a listener on the host's 127.0.0.1 keeps serving the host.
 * @returns the function that moves the thread back
 */
export function enterNetworkNamespace(name: string): () => void {
  const setns = koffi.load(null).func("int setns(int fd, int kind)");
  const move = (fd: number, where: string): void => {
    const status: unknown = setns(fd, CLONE_NEWNET);
    if (status === 0) return;
    throw new LocalError("unfit_machine", `cannot enter ${where} (setns: errno ${koffi.errno()}); run as root`);
  };
  const home = openSync("/proc/thread-self/ns/net", "r");
  const target = openSync(`${NETNS_FOLDER}/${name}`, "r");
  try {
    move(target, `the network namespace ${name}`);
  } finally {
    closeSync(target);
  }
  return () => {
    move(home, "the network namespace that this process started in");
    closeSync(home);
  };
}
