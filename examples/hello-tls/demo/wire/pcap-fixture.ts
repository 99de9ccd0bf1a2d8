/** Captures for tests, byte by byte. */

interface FrameOptions {
  readonly sequence: number;
  readonly payload: string | Buffer;
}

/** An Ethernet frame from 10.1.2.3:40000 to 10.1.2.4:8080. */
export function formatFrame({ sequence, payload }: FrameOptions): Buffer {
  const body = Buffer.from(payload);
  const ethernet = Buffer.alloc(14);
  ethernet.writeUInt16BE(0x0800, 12);
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(40 + body.length, 2);
  ip[9] = 6;
  ip.set([10, 1, 2, 3], 12);
  ip.set([10, 1, 2, 4], 16);
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(40_000, 0);
  tcp.writeUInt16BE(8080, 2);
  tcp.writeUInt32BE(sequence, 4);
  tcp[12] = 0x50;
  return Buffer.concat([ethernet, ip, tcp, body]);
}

/** A little-endian pcap file, as tcpdump writes it on the machines of today. */
export function formatPcap(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(1, 20);
  const packets = frames.flatMap((frame) => {
    const packet = Buffer.alloc(16);
    packet.writeUInt32LE(frame.length, 8);
    packet.writeUInt32LE(frame.length, 12);
    return [packet, frame];
  });
  return Buffer.concat([header, ...packets]);
}
