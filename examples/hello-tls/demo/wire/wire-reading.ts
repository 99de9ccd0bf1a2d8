import type { TcpStream } from "./pcap-reader.ts";
import { isClientHello, parseTlsRecords, RECORD_HEADER_BYTES } from "./tls-records.ts";

/** What captured streams are made of, and what can be read in them. */
export interface WireReading {
  /** Streams captured from their first byte on, by what they turned out to be. Empty ones count as neither. */
  readonly tlsStreams: number;
  readonly otherStreams: number;
  readonly tlsRecords: number;
  /** All bytes, of streams begun before the capture too. */
  readonly bytes: number;
  /** Which of the texts occur, outside of a ClientHello. */
  readonly found: ReadonlySet<string>;
  /** The first request line in plaintext; empty where there is none. */
  readonly firstLine: string;
}

/** Looks for texts in every captured byte, and for TLS records in the streams whose start was captured. */
export function readWire(streams: readonly TcpStream[], texts: readonly string[]): WireReading {
  const spoken = streams.filter(({ bytes }) => bytes.length > 0);
  const readings = spoken.map((stream) => ({ stream, reading: parseTlsRecords(stream.bytes) }));
  const whole = readings.filter(({ stream }) => stream.isWhole);
  const visible = readings.flatMap(({ stream, reading }) => {
    if (!stream.isWhole || reading.kind !== "tls") return [withoutClientHello(stream.bytes)];
    return reading.records.filter((record) => !isClientHello(record)).map(({ body }) => body);
  });
  const tls = whole.flatMap(({ reading }) => (reading.kind === "tls" ? [reading.records.length] : []));
  return {
    tlsStreams: tls.length,
    otherStreams: whole.length - tls.length,
    tlsRecords: tls.reduce((sum, count) => sum + count, 0),
    bytes: spoken.reduce((sum, { bytes }) => sum + bytes.length, 0),
    found: new Set(texts.filter((text) => visible.some((bytes) => bytes.includes(text)))),
    firstLine: visible.map(requestLine).find((line) => line !== "") ?? "",
  };
}

/**
 * A capture that begins between SYN and ClientHello, or that lost a packet later, is not whole: its bytes are searched as
 * they are, but for a ClientHello at their beginning.
 */
function withoutClientHello(bytes: Buffer): Buffer {
  if (bytes.length < RECORD_HEADER_BYTES) return bytes;
  const end = RECORD_HEADER_BYTES + bytes.readUInt16BE(3);
  const first = parseTlsRecords(bytes.subarray(0, end));
  const isHello = first.kind === "tls" && first.records.some(isClientHello);
  return isHello ? bytes.subarray(end) : bytes;
}

function requestLine(bytes: Buffer): string {
  return /(?:GET|POST) [^\r\n]{1,200}/.exec(bytes.toString("latin1"))?.[0] ?? "";
}
