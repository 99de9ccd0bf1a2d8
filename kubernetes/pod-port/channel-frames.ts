/**
 * The frames of Kubernetes' subprotocol `v4.channel.k8s.io` for one forwarded port: each begins with the number of its
 * channel, and each channel begins with the port that it belongs to, two bytes in little-endian order.
 */
export const PORT_FORWARD_PROTOCOL = "v4.channel.k8s.io";

const DATA_CHANNEL = 0;
const ERROR_CHANNEL = 1;
const PORT_BYTES = 2;

export type ChannelEvent =
  | { readonly kind: "data"; readonly bytes: Buffer }
  /** The kubelet's message: nothing listens on the port, or the pod is gone. */
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "malformed"; readonly reason: string };

/** Decodes the frames of one connection, in their order. */
export class ChannelDecoder {
  /** The bytes of the port that are still to come, by channel. */
  readonly #portBytesLeft = new Map([
    [DATA_CHANNEL, PORT_BYTES],
    [ERROR_CHANNEL, PORT_BYTES],
  ]);

  push(frame: Buffer): readonly ChannelEvent[] {
    const channel = frame[0];
    const left = channel === undefined ? undefined : this.#portBytesLeft.get(channel);
    if (channel === undefined || left === undefined) {
      return [{ kind: "malformed", reason: `a frame of channel ${channel ?? "none"}` }];
    }
    const skipped = Math.min(left, frame.length - 1);
    this.#portBytesLeft.set(channel, left - skipped);
    const bytes = frame.subarray(1 + skipped);
    if (bytes.length === 0) return [];
    return [channel === DATA_CHANNEL ? { kind: "data", bytes } : { kind: "error", message: bytes.toString("utf8") }];
  }
}

/** The frame that carries bytes to the pod. */
export function encodeData(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of(DATA_CHANNEL), bytes]);
}
