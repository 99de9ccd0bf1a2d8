/** For tests: much work for few bytes, as frames of one HTTP/2 client. */
import {
  dataFrame,
  pingFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../../http2/frames/frame-fixture.ts";
import { FLAG, FRAME, SETTING } from "../../http2/frames/frame-types.ts";
import { integer, literal } from "../../http2/hpack/block-fixture.ts";
import { type FieldPairs, type RawHttp2Client, requestOf } from "../raw-http2-client-fixture.ts";

export interface FloodCase {
  readonly name: string;
  /** Sent once, before the flood. Stream 1 is the flood's own. */
  readonly opening?: (client: RawHttp2Client) => readonly Buffer[];
  /** @param id a stream that was not used. */
  readonly frames: (client: RawHttp2Client, id: number) => readonly Buffer[];
}

const UPLOAD: FieldPairs = requestOf("/upload", [], "POST");

function openUpload(client: RawHttp2Client): readonly Buffer[] {
  return [client.headers(1, UPLOAD, { ends: false })];
}

/** The newest entry of the dynamic table (RFC 7541 §6.1). */
const REFERENCE = integer(0x80, 7, 62);

/** Fills the table with a field of 3.5 KB, then refers to it 3,000 times in each block. */
function bombsOf(name: string): Pick<FloodCase, "opening" | "frames"> {
  const flags = FLAG.endHeaders | FLAG.endStream;
  const pseudo = requestOf("/bomb").map((pair) => literal("plain", pair));
  const filling = Buffer.concat([...pseudo, literal("indexed", [name, "x".repeat(3500)])]);
  const references = Buffer.concat([...pseudo, ...Array.from({ length: 3000 }, () => REFERENCE)]);
  return {
    opening: () => [rawFrame(FRAME.headers, flags, 1, filling)],
    frames: (_, id) => [rawFrame(FRAME.headers, flags, id, references)],
  };
}

/** Each of these must end the connection with ENHANCE_YOUR_CALM. */
export const FLOOD_CASES: readonly FloodCase[] = [
  {
    name: "rapid reset (CVE-2023-44487)",
    frames: (client, id) => [client.headers(id, requestOf("/reset")), resetFrame(id)],
  },
  {
    name: "rapid reset in the middle of content",
    frames: (client, id) => [client.headers(id, UPLOAD, { ends: false }), dataFrame(id, "content"), resetFrame(id)],
  },
  {
    name: "a window of 0, which makes the proxy reset (CVE-2025-8671)",
    frames: (client, id) => [client.headers(id, requestOf("/reset")), windowUpdateFrame(id, 0)],
  },
  {
    name: "a window over 2^31-1, which makes the proxy reset",
    frames: (client, id) => [client.headers(id, UPLOAD, { ends: false }), windowUpdateFrame(id, 0x7fffffff)],
  },
  {
    name: "content on half-closed streams, which makes the proxy reset",
    frames: (client, id) => [client.headers(id, requestOf("/reset")), dataFrame(id, "content")],
  },
  {
    name: "malformed requests",
    frames: (client, id) => [client.headers(id, requestOf("/", [["te", "gzip"]]))],
  },
  {
    name: "header blocks without an end (CVE-2024-30255)",
    opening: (client) => [client.headers(1, requestOf(), { flags: 0 })],
    frames: () => [rawFrame(FRAME.continuation, 0, 1, Buffer.alloc(1000, 0x82))],
  },
  { name: "PING (CVE-2019-9512)", frames: () => [pingFrame()] },
  { name: "SETTINGS (CVE-2019-9515)", frames: () => [settingsFrame([SETTING.initialWindowSize, 65_535])] },
  { name: "PRIORITY (CVE-2019-9513)", frames: (_, id) => [rawFrame(FRAME.priority, 0, id, "12345")] },
  { name: "empty DATA (CVE-2019-9518)", opening: openUpload, frames: () => [dataFrame(1, "")] },
  {
    name: "DATA of padding alone",
    opening: openUpload,
    frames: () => [rawFrame(FRAME.data, FLAG.padded, 1, Buffer.from([3, 0, 0, 0]))],
  },
  { name: "windows of the connection", frames: () => [windowUpdateFrame(0, 1)] },
  { name: "windows of a stream", opening: openUpload, frames: () => [windowUpdateFrame(1, 1)] },
  { name: "frames of an unknown type", frames: () => [rawFrame(0x42, 0, 0, "unknown")] },
  { name: "references to a large field (CVE-2016-6581)", ...bombsOf("x-large") },
  { name: "references to a large crumb of a cookie (CVE-2026-47774)", ...bombsOf("cookie") },
];
