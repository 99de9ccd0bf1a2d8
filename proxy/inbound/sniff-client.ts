import type { Socket } from "node:net";
import type { Clock } from "../../mesh/runtime.ts";
import { offersIstioAlpn, readAlpnProtocols, readFirstBytes } from "./first-bytes.ts";

/** What kind of client is at the other end. */
export type ClientKind =
  | { readonly kind: "mesh_tls" }
  | { readonly kind: "other_tls" }
  | { readonly kind: "plaintext" }
  /** Nothing was said within the silence limit: the client may be waiting for the server to speak first. */
  | { readonly kind: "silent" }
  /** It went away before it had said enough. */
  | { readonly kind: "gone" }
  /** Neither plaintext nor a ClientHello that can be read. */
  | { readonly kind: "unclear"; readonly message: string };

export interface SniffOptions {
  readonly clock: Clock;
  /** How long a client may say nothing at all. `undefined`: as long as it likes, until its handshake times out. */
  readonly silenceMs: number | undefined;
  /** Whether it matters which TLS client it is; under STRICT it does not. */
  readonly needsAlpn: boolean;
  /** Ends the sniffing with `silent`; what was read is put back. */
  readonly signal?: AbortSignal;
}

/**
 * Reads the first bytes of a paused socket and puts them back, so that whoever takes the socket next sees all of them.
 * Never waits longer than the caller allows: a caller that gives up destroys the socket, which ends this with `gone`.
 */
export async function sniffClient(socket: Socket, options: SniffOptions): Promise<ClientKind> {
  const seen = await collectFirstBytes(socket, options);
  switch (seen.kind) {
    case "plaintext":
    case "silent":
    case "gone":
      return seen;
    case "malformed":
      return { kind: "unclear", message: seen.message };
    case "tls":
      return options.needsAlpn ? await tellTlsClient(seen.record) : { kind: "other_tls" };
  }
}

async function tellTlsClient(record: Buffer): Promise<ClientKind> {
  const protocols = await readAlpnProtocols(record);
  if (protocols === undefined) return { kind: "unclear", message: "a ClientHello that cannot be read in one record" };
  return offersIstioAlpn(protocols) ? { kind: "mesh_tls" } : { kind: "other_tls" };
}

type Seen =
  | Exclude<ReturnType<typeof readFirstBytes>, { kind: "more" }>
  | { readonly kind: "silent" }
  | { readonly kind: "gone" };

function collectFirstBytes(socket: Socket, options: SniffOptions): Promise<Seen> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const silence =
      options.silenceMs === undefined
        ? undefined
        : options.clock.setTimeout(() => finish({ kind: "silent" }), options.silenceMs);

    const finish = (seen: Seen): void => {
      silence?.cancel();
      options.signal?.removeEventListener("abort", onAbort);
      socket.off("readable", onReadable);
      socket.off("end", onGone);
      socket.off("close", onGone);
      if (bytes.length > 0 && seen.kind !== "gone") socket.unshift(bytes);
      resolve(seen);
    };
    const onGone = (): void => finish({ kind: "gone" });
    const onAbort = (): void => finish({ kind: "silent" });
    const onReadable = (): void => {
      for (let chunk = readChunk(socket); chunk !== undefined; chunk = readChunk(socket)) {
        silence?.cancel();
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
        const seen = readFirstBytes(bytes);
        if (seen.kind === "more") continue;
        finish(seen);
        return;
      }
    };

    socket.on("readable", onReadable);
    socket.on("end", onGone);
    socket.on("close", onGone);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    if (socket.destroyed) onGone();
  });
}

function readChunk(socket: Socket): Buffer | undefined {
  const chunk: unknown = socket.read();
  return Buffer.isBuffer(chunk) && chunk.length > 0 ? chunk : undefined;
}
