import { readFileSync } from "node:fs";

/** A TCP socket that listens, as the kernel lists it. */
export interface ListeningSocket {
  readonly port: number;
  /** The user who opened it. */
  readonly uid: number;
}

/** The state LISTEN in /proc/net/tcp (proc(5)). */
const LISTEN = "0A";

/** Parses /proc/net/tcp or tcp6. Lines in another form are skipped. */
export function parseListeningSockets(text: string): readonly ListeningSocket[] {
  return text.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , uid = ""] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
    return state === LISTEN && port > 0 && /^\d+$/.test(uid) ? [{ port, uid: Number(uid) }] : [];
  });
}

/**
 * Whether a process of another user listens on a TCP port of this pod. The containers of a pod share its network, so the
 * kernel's table shows the application's sockets too. @param readTable returns a table's text; throws if there is none.
 */
export function doOthersListen(ownUid: number, readTable: (name: "tcp" | "tcp6") => string = readProcTable): boolean {
  return (["tcp", "tcp6"] as const).some((name) =>
    parseListeningSockets(textOf(name, readTable)).some(({ uid }) => uid !== ownUid),
  );
}

function textOf(name: "tcp" | "tcp6", readTable: (name: "tcp" | "tcp6") => string): string {
  try {
    return readTable(name);
  } catch {
    // No IPv6, or not Linux.
    return "";
  }
}

function readProcTable(name: "tcp" | "tcp6"): string {
  return readFileSync(`/proc/net/${name}`, "latin1");
}
