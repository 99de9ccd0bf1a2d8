import { timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

const LABEL = "EXPORTER-entente-delivery";
const PROOF_BYTES = 16;

/**
 * What makes a report of delivery trustworthy: a value of the connection's own keys (RFC 8446 §7.5), which its two ends
 * compute and nobody behind them can. Without it an application behind a verified proxy that forwards what it does not
 * know, such as Envoy, could have requests repeated that it has processed.
 * @returns `undefined`: it is no open connection of TLS.
 */
export function deliveryProofOf(socket: Duplex): string | undefined {
  if (!(socket instanceof TLSSocket) || socket.destroyed) return undefined;
  return socket.exportKeyingMaterial(PROOF_BYTES, LABEL, Buffer.alloc(0)).toString("hex");
}

/** Whether a report with this proof, which was read from the connection, was written by its other end. */
export function isProven(proof: string, socket: Duplex): boolean {
  const own = deliveryProofOf(socket);
  return own !== undefined && own.length === proof.length && timingSafeEqual(Buffer.from(own), Buffer.from(proof));
}
