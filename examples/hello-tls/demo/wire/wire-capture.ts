import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";

export interface WireCaptureOptions {
  /** Where tcpdump listens: the end of a pod's link outside of the pod. */
  readonly interfaceName: string;
  /** In pcap's own language. */
  readonly filter: string;
  readonly file: string;
  readonly signal: AbortSignal;
}

export interface WireCapture {
  /** What is in the file so far. */
  read(): Promise<Buffer>;
  /** Ends tcpdump and reads all that it wrote. */
  stop(): Promise<Buffer>;
}

/** A bound for a capture that is not stopped; the demo's own take a few hundred packets. */
const MAX_PACKETS = 20_000;

/** Starts tcpdump, and returns when it is listening. Packets are written as they come (`-U`). */
export async function startWireCapture(options: WireCaptureOptions): Promise<WireCapture> {
  const { interfaceName, filter, file, signal } = options;
  const flags = ["--immediate-mode", "-U", "-n", "-s", "0", "-c", String(MAX_PACKETS)];
  const child = spawn("tcpdump", ["-i", interfaceName, ...flags, "-w", file, filter], {
    stdio: ["ignore", "ignore", "pipe"],
    signal,
    killSignal: "SIGINT",
  });
  const ended = once(child, "close").catch(() => undefined);
  await awaitListening(child);
  return {
    read: () => readFile(file),
    stop: async () => {
      child.kill("SIGINT");
      await ended;
      return await readFile(file);
    },
  };
}

function awaitListening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.once("error", reject);
    child.once("close", (status) => reject(new Error(`tcpdump ended with status ${status}: ${said.trim()}`)));
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("listening on")) resolve();
    });
  });
}
