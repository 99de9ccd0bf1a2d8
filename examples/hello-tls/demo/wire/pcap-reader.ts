/** One TCP segment of a capture, with the addresses of the packet that carried it. */
export interface TcpSegment {
  readonly source: string;
  readonly destination: string;
  readonly sequence: number;
  /** The segment opens its direction of the connection. */
  readonly isSyn: boolean;
  readonly payload: Buffer;
}

/** One direction of one TCP connection, put together from its segments. */
export interface TcpStream {
  /** `ip:port`. */
  readonly source: string;
  readonly destination: string;
  /** The capture holds the stream from its first byte on. */
  readonly isWhole: boolean;
  readonly bytes: Buffer;
}

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const LINK_TYPE_ETHERNET = 1;
const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;
const ETHERNET_HEADER_BYTES = 14;
const TCP_FLAG_SYN = 0x02;

/**
 * Reads the classic pcap format of `tcpdump -w` (draft-ietf-opsawg-pcap), Ethernet frames, IPv4 and TCP; other packets
 * are passed over. A packet at the end that is not all there yet is left out, since tcpdump may still be writing.
 */
export function parsePcap(file: Buffer): readonly TcpSegment[] {
  const read32 = fileReader(file);
  const linkType = read32(20) & 0xffff;
  if (linkType !== LINK_TYPE_ETHERNET) throw new RangeError(`the capture's link type is ${linkType}, not Ethernet (1)`);
  const segments: TcpSegment[] = [];
  let offset = FILE_HEADER_BYTES;
  while (offset + PACKET_HEADER_BYTES <= file.length) {
    const end = offset + PACKET_HEADER_BYTES + read32(offset + 8);
    if (end > file.length) break;
    const segment = parseFrame(file.subarray(offset + PACKET_HEADER_BYTES, end));
    if (segment !== undefined) segments.push(segment);
    offset = end;
  }
  return segments;
}

function fileReader(file: Buffer): (offset: number) => number {
  if (file.length < FILE_HEADER_BYTES) throw new RangeError("the capture is shorter than a pcap file's header");
  const isMagic = (value: number): boolean => value === MAGIC_MICROSECONDS || value === MAGIC_NANOSECONDS;
  if (isMagic(file.readUInt32LE(0))) return (offset) => file.readUInt32LE(offset);
  if (isMagic(file.readUInt32BE(0))) return (offset) => file.readUInt32BE(offset);
  throw new RangeError("the capture does not start with pcap's magic number");
}

function parseFrame(frame: Buffer): TcpSegment | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES + 20 || frame.readUInt16BE(12) !== 0x0800) return undefined;
  const ip = frame.subarray(ETHERNET_HEADER_BYTES);
  const headerBytes = ((ip[0] ?? 0) & 0x0f) * 4;
  const tcp = ip.subarray(headerBytes, ip.readUInt16BE(2));
  if (ip[9] !== 6 || tcp.length < 20) return undefined;
  const payloadStart = ((tcp[12] ?? 0) >> 4) * 4;
  return {
    source: `${ip.subarray(12, 16).join(".")}:${tcp.readUInt16BE(0)}`,
    destination: `${ip.subarray(16, 20).join(".")}:${tcp.readUInt16BE(2)}`,
    sequence: tcp.readUInt32BE(4),
    isSyn: ((tcp[13] ?? 0) & TCP_FLAG_SYN) !== 0,
    payload: tcp.subarray(payloadStart),
  };
}

/**
 * Puts the segments of each direction in order, without what was sent twice. Sequence numbers are counted from the
 * direction's first segment, so that a wrap around 2^32 does no harm.
 */
export function assembleStreams(segments: readonly TcpSegment[]): readonly TcpStream[] {
  const byDirection = new Map<string, TcpSegment[]>();
  for (const segment of segments) {
    const direction = `${segment.source}>${segment.destination}`;
    byDirection.set(direction, [...(byDirection.get(direction) ?? []), segment]);
  }
  return [...byDirection.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    const opening = own.find((segment) => segment.isSyn);
    const start = opening === undefined ? first.sequence : opening.sequence + 1;
    const { source, destination } = first;
    return [{ source, destination, ...joinPayloads(own, start, opening !== undefined) }];
  });
}

function joinPayloads(
  segments: readonly TcpSegment[],
  start: number,
  isFromStart: boolean,
): Pick<TcpStream, "isWhole" | "bytes"> {
  const placed = segments
    .filter(({ payload }) => payload.length > 0)
    .map(({ sequence, payload }) => ({ offset: (sequence - start) | 0, payload }))
    .sort((one, other) => one.offset - other.offset);
  const parts: Buffer[] = [];
  let position = isFromStart ? 0 : (placed[0]?.offset ?? 0);
  let isWhole = isFromStart;
  for (const { offset, payload } of placed) {
    if (offset > position) isWhole = false;
    const fresh = payload.subarray(Math.max(0, position - offset));
    parts.push(fresh);
    position = Math.max(position, offset + payload.length);
  }
  return { isWhole, bytes: Buffer.concat(parts) };
}
