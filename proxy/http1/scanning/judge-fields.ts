import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import { CR, SPACE } from "../../messages/byte-tables.ts";
import { NO_NAMES } from "../../messages/field-access.ts";
import { FIELD, isNameableHop } from "../../messages/field-kinds.ts";
import type { Content } from "../../messages/message-head.ts";
import { FIELD_STRIDE } from "../../messages/text-fields.ts";
import { FramingFault } from "../framing-fault.ts";

/** The framing and connection fields of a head. */
export interface JudgedFields {
  host: string | undefined;
  contentLength: number | undefined;
  isChunked: boolean;
  closes: boolean;
  keepsAlive: boolean;
  listsUpgrade: boolean;
  /** Names that `Connection` lists, in lower case, without `close`, `keep-alive` and `upgrade`; usually empty. */
  hopNames: readonly string[];
  upgrade: string;
  expect: string | undefined;
  idleSeconds: number | undefined;
  /** Whether the framing fields are in the form that every parser reads alike. */
  isPlain: boolean;
}

/** Reads the fields that framing depends on. Ambiguous fields are a fault. */
export function judgeFields(text: string, fields: readonly number[]): JudgedFields {
  const judged: JudgedFields = {
    host: undefined,
    contentLength: undefined,
    isChunked: false,
    closes: false,
    keepsAlive: false,
    listsUpgrade: false,
    hopNames: NO_NAMES,
    upgrade: "",
    expect: undefined,
    idleSeconds: undefined,
    isPlain: true,
  };
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    if (fields[at + 4] !== FIELD.other) judgeField(judged, text, fields, at);
  }
  if (judged.isChunked && judged.contentLength !== undefined) {
    throw new FramingFault("ambiguous_framing", "both Content-Length and Transfer-Encoding");
  }
  return judged;
}

function judgeField(judged: JudgedFields, text: string, fields: readonly number[], at: number): void {
  const value = text.slice(fields[at + 2], fields[at + 3]);
  switch (fields[at + 4]) {
    case FIELD.host:
      if (judged.host !== undefined) throw new FramingFault("bad_host", "more than one Host field");
      judged.host = value;
      break;
    case FIELD.contentLength:
      if (judged.contentLength !== undefined) {
        throw new FramingFault("bad_content_length", "more than one Content-Length field");
      }
      judged.contentLength = parseContentLength(value);
      judged.isPlain &&= isPlainLine(text, fields, at);
      break;
    case FIELD.transferEncoding:
      judgeTransferEncoding(judged, value);
      judged.isPlain &&= isPlainLine(text, fields, at);
      break;
    case FIELD.connection:
      judgeConnection(judged, value);
      break;
    case FIELD.upgrade:
      judged.upgrade = judged.upgrade === "" ? value : `${judged.upgrade}, ${value}`;
      break;
    case FIELD.expect:
      judged.expect = judged.expect === undefined ? value : `${judged.expect},${value}`;
      break;
    case FIELD.hopByHop:
      judgeKeepAlive(judged, text.slice(fields[at], fields[at + 1]), value);
      break;
  }
}

/**
 * Whether there is at most one blank, before the value. More are legal, but some parsers make them part of the value.
 */
function isPlainLine(text: string, fields: readonly number[], at: number): boolean {
  const nameEnd = fields[at + 1] ?? 0;
  const valueStart = fields[at + 2] ?? 0;
  const blanks = valueStart - nameEnd - 1;
  if (text.charCodeAt(fields[at + 3] ?? 0) !== CR) return false;
  return blanks === 0 || (blanks === 1 && text.charCodeAt(nameEnd + 1) === SPACE);
}

/** RFC 9112 §6.3: only digits, up to what a number holds exactly. */
function parseContentLength(value: string): number {
  const length = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length))
    throw new FramingFault("bad_content_length", "a Content-Length that is not a number");
  return length;
}

/** RFC 9112 §6.1: only one field with one coding, `chunked`, is accepted; any other list is ambiguous. */
function judgeTransferEncoding(judged: JudgedFields, value: string): void {
  if (judged.isChunked) throw new FramingFault("bad_transfer_encoding", "more than one Transfer-Encoding field");
  if (value.toLowerCase() !== "chunked") {
    throw new FramingFault("bad_transfer_encoding", "a Transfer-Encoding other than chunked", 501);
  }
  judged.isChunked = true;
}

function judgeConnection(judged: JudgedFields, value: string): void {
  for (const part of value.toLowerCase().split(",")) {
    const token = part.trim();
    if (token === "close") judged.closes = true;
    else if (token === "keep-alive") judged.keepsAlive = true;
    else if (token === "upgrade") judged.listsUpgrade = true;
    else if (token !== "") addConnectionToken(judged, token);
  }
}

function addConnectionToken(judged: JudgedFields, token: string): void {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(token) || !isNameableHop(foldHeaderName(token))) {
    throw new FramingFault("bad_field_value", "Connection names a field that is not hop-by-hop");
  }
  judged.hopNames = [...judged.hopNames, token];
}

function judgeKeepAlive(judged: JudgedFields, name: string, value: string): void {
  // Node's parser and others read it as Connection.
  if (name.length === "proxy-connection".length && /close/i.test(value)) judged.closes = true;
  if (name.length !== "keep-alive".length) return;
  const timeout = /(?:^|[,;\s])timeout=(\d{1,6})/i.exec(value)?.[1];
  if (timeout !== undefined) judged.idleSeconds = Number(timeout);
}

/** The protocols of `Upgrade`, without HTTP/2: an upgrade to it is not supported, and deprecated by RFC 9113 §3.1. */
export function readUpgrade(judged: JudgedFields): string | undefined {
  if (!judged.listsUpgrade || judged.upgrade === "") return undefined;
  const protocols = judged.upgrade.split(",").map((protocol) => protocol.trim());
  if (
    !protocols.every((protocol) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$/.test(protocol))
  ) {
    throw new FramingFault("bad_upgrade", "an Upgrade field that is not a list of protocols");
  }
  const kept = protocols.filter((protocol) => !/^h2c?$/i.test(protocol));
  return kept.length === 0 ? undefined : kept.join(", ");
}

export const NO_CONTENT: Content = { kind: "none" };
export const CHUNKED: Content = { kind: "unknown", endsBy: "chunks" };
export const UNTIL_CLOSE: Content = { kind: "unknown", endsBy: "close" };
