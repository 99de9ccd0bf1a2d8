import { CODE } from "./wire-frames-fixture.ts";

/** A field of a header block: name and value, as latin1. */
export type FieldPair = readonly [name: string, value: string];

/** One part of a message; each is one frame. */
export type Part =
  | { readonly kind: "fields"; readonly fields: readonly FieldPair[]; readonly endsStream: boolean }
  | { readonly kind: "data"; readonly text: string; readonly endsStream: boolean };

/** How the application behind the endpoint reads an accepted request. Fields that are left out are not compared. */
export interface Reading {
  readonly method?: string;
  /** The request target. */
  readonly path?: string;
  /** `:authority`, or the Host field of HTTP/1.1. */
  readonly authority?: string;
  readonly body?: string;
  /** By lower-case name; `null`: the application does not receive it. */
  readonly fields?: Readonly<Record<string, string | null>>;
}

/** What a strict proxying endpoint must do. In all but the second case a request beside it is served. */
export type Verdict =
  /** RST_STREAM, or a response with status 400, before the application has received a whole request (RFC 9113 §8.1.1). */
  | { readonly kind: "stream_error"; readonly code: number }
  /** GOAWAY, and the connection is closed. */
  | { readonly kind: "connection_error"; readonly code: number }
  /** A response of the endpoint's own, 400 to 599, or as `stream_error` with any code. */
  | { readonly kind: "refused" }
  | { readonly kind: "accepted"; readonly reads: Reading };

export interface WireCase {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly verdict: Verdict;
}

export const MALFORMED: Verdict = { kind: "stream_error", code: CODE.protocolError };

export const AUTHORITY = "world.ns2";

/** The pseudo-fields of a sound request. A value that is `undefined` leaves the field out. */
export function pseudoFields(changed: Readonly<Record<string, string | undefined>> = {}): readonly FieldPair[] {
  const all = { ":method": "GET", ":scheme": "http", ":authority": AUTHORITY, ":path": "/attack", ...changed };
  return Object.entries(all).flatMap(([name, value]): FieldPair[] => (value === undefined ? [] : [[name, value]]));
}

export function fields(list: readonly FieldPair[], end: "ends" | "goes on" = "ends"): Part {
  return { kind: "fields", fields: list, endsStream: end === "ends" };
}

export function data(text: string, end: "ends" | "goes on" = "ends"): Part {
  return { kind: "data", text, endsStream: end === "ends" };
}

/** A request without content, with these fields behind its pseudo-fields. */
export function getWith(name: string, verdict: Verdict, ...own: readonly FieldPair[]): WireCase {
  return { name, parts: [fields([...pseudoFields(), ...own])], verdict };
}

/** A request with content and these fields. */
export function postWith(
  name: string,
  verdict: Verdict,
  { own = [], parts }: { readonly own?: readonly FieldPair[]; readonly parts: readonly Part[] },
): WireCase {
  return { name, parts: [fields([...pseudoFields({ ":method": "POST" }), ...own], "goes on"), ...parts], verdict };
}

/** A request without content whose pseudo-fields differ from a sound one. */
export function pseudoWith(
  name: string,
  verdict: Verdict,
  changed: Readonly<Record<string, string | undefined>>,
): WireCase {
  return { name, parts: [fields(pseudoFields(changed))], verdict };
}
