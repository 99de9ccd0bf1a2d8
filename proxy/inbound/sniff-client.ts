import type { Socket } from "node:net";
import type { ServerMode } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { peekBytes } from "../connections/peek-bytes.ts";
import { type FirstBytes, offersIstioAlpn, readClientHello, readFirstBytes } from "./first-bytes.ts";

/** What kind of client is at the other end. */
export type ClientKind =
  | { readonly kind: "mesh_tls" }
  /** `sni`: the server name that it asks for. */
  | { readonly kind: "other_tls"; readonly sni?: string | undefined }
  /** A complete ClientHello; the kind of client did not matter under the current mode. */
  | { readonly kind: "any_tls" }
  | { readonly kind: "plaintext" }
  /** Nothing was sent within the silence limit: the client may be waiting for the server to speak first. */
  | { readonly kind: "silent" }
  /** It disconnected before it had sent enough. */
  | { readonly kind: "closed" }
  /** Neither plaintext nor a readable ClientHello. */
  | { readonly kind: "unclear"; readonly message: string };

export interface SniffOptions {
  readonly clock: Clock;
  /** How long a client may be silent. `undefined`: until its handshake times out. */
  readonly silenceMs?: number | undefined;
  /** The current mode: under STRICT the kind of TLS client does not matter, under DISABLE nothing does. */
  readonly mode: () => ServerMode;
  /** Ends sniffing with `silent`; what was read is put back. */
  readonly signal?: AbortSignal;
}

/**
 * Reads the first bytes of a paused socket and puts them back for its next reader. Never waits longer than the caller
 * allows: the caller destroys the socket, which ends this with `closed`.
 */
export async function sniffClient(socket: Socket, options: SniffOptions): Promise<ClientKind> {
  const peeked = await peekBytes(socket, (bytes) => judgeFirstBytes(bytes, options.mode()), options);
  switch (peeked.kind) {
    case "silent":
      return peeked;
    case "closed":
    case "ended":
    case "undecided":
      return { kind: "closed" };
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
  const hello = await readClientHello(record);
  if (hello === undefined) return { kind: "unclear", message: "a ClientHello that does not fit one record" };
  return offersIstioAlpn(hello.protocols) ? { kind: "mesh_tls" } : { kind: "other_tls", sni: hello.serverName };
}
