import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import { LocalError } from "./local-error.ts";

const CLONE_NEWNET = 0x40000000;

/** Where `ip netns` keeps its names. */
export const NETNS_FOLDER = "/run/netns";

/**
 * Moves the calling thread for good into a named network namespace (setns(2), which Node lacks). Node opens sockets and
 * starts children on its main thread, so both are in that namespace from then on, while sockets that are open already
 * stay where they were made: a listener on the host's 127.0.0.1 keeps serving the host.
 */
export function enterNetworkNamespace(name: string): void {
  const libc = koffi.load("libc.so.6");
  const setns = libc.func("int setns(int fd, int kind)");
  const fd = openSync(`${NETNS_FOLDER}/${name}`, "r");
  try {
    const status: unknown = setns(fd, CLONE_NEWNET);
    if (status !== 0) {
      throw new LocalError(
        "unfit_machine",
        `cannot enter the network namespace ${name} (errno ${koffi.errno()}); run as root`,
      );
    }
  } finally {
    closeSync(fd);
  }
}
