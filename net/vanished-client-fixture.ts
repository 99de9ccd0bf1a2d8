/** For tests: a client that is gone before its connection is accepted. */
import { spawnSync } from "node:child_process";

/** Connects, sends its second argument, and resets the connection. */
const CLIENT = `
const socket = require("node:net").connect({ port: Number(process.argv[1]), host: "127.0.0.1" }, () => {
  socket.write(process.argv[2], () => setTimeout(() => socket.resetAndDestroy(), 20));
});
`;

/**
 * Sends `text` to a port of this process, which does not run meanwhile: the kernel completes the connection and keeps
 * its bytes. When it is accepted, its client's address is no longer known.
 */
export function connectAndVanish(port: number, text: string): void {
  const { status, stderr } = spawnSync(process.execPath, ["-e", CLIENT, String(port), text], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the client failed: ${stderr}`);
}
