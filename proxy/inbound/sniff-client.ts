import type { Socket } from "node:net";
import type { ServerMode } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { peekBytes } from "../connections/peek-bytes.ts";
import { type FirstBytes, offersIstioAlpn, readAlpnProtocols, readFirstBytes } from "./first-bytes.ts";

/** What kind of client is at the other end. */
export type ClientKind =
  | { readonly kind: "mesh_tls" }
  | { readonly kind: "other_tls" }
  /** A whole ClientHello; which client it is did not matter when it had come. */
  | { readonly kind: "any_tls" }
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
  readonly silenceMs?: number | undefined;
  /** The mode of this moment: under STRICT it does not matter which TLS client it is, under DISABLE nothing does. */
  readonly mode: () => ServerMode;
  /** Ends the sniffing with `silent`; what was read is put back. */
  readonly signal?: AbortSignal;
}

/**
 * Reads the first bytes of a paused socket and puts them back, so that the next reader of the socket gets all of them.
 * Never waits longer than the caller allows: a caller that gives up destroys the socket, which ends this with `gone`.
 */
export async function sniffClient(socket: Socket, options: SniffOptions): Promise<ClientKind> {
  const peeked = await peekBytes(socket, (bytes) => judgeFirstBytes(bytes, options.mode()), options);
  switch (peeked.kind) {
    case "silent":
      return peeked;
    case "gone":
    case "ended":
    case "undecided":
      return { kind: "gone" };
    case "judged":
      return await clientKindOf(peeked.verdict, options);
  }
}

type Judged = Exclude<FirstBytes, { kind: "more" }>;

function judgeFirstBytes(bytes: Buffer, mode: ServerMode): Judged | undefined {
  if (mode === "DISABLE") return { kind: "plaintext" };
  const seen = readFirstBytes(bytes);
  return seen.kind === "more" ? undefined : seen;
}

async function clientKindOf(seen: Judged, { mode }: SniffOptions): Promise<ClientKind> {
  switch (seen.kind) {
    case "plaintext":
      return seen;
    case "malformed":
      return { kind: "unclear", message: seen.message };
    case "tls":
      return mode() === "STRICT" ? { kind: "any_tls" } : await tlsClientKindOf(seen.record);
  }
}

async function tlsClientKindOf(record: Buffer): Promise<ClientKind> {
  const protocols = await readAlpnProtocols(record);
  if (protocols === undefined) return { kind: "unclear", message: "a ClientHello that cannot be read in one record" };
  return offersIstioAlpn(protocols) ? { kind: "mesh_tls" } : { kind: "other_tls" };
}
