import { byteTextFrom } from "../../mesh/policy/byte-text.ts";
import { FieldList } from "../../proxy/messages/field-list.ts";
import type { RequestHead } from "../../proxy/messages/message-head.ts";

/** A request as a user describes it. */
export interface ExplainedRequest {
  /** Whether anything of it was said. If not, ports of HTTP are asked with `GET /`. */
  readonly isGiven: boolean;
  readonly method: string;
  /** As the client sends it, with its query. */
  readonly path: string;
  /** @default the service's name */
  readonly authority: string | undefined;
  /** Names in lower case. */
  readonly headers: readonly HeaderLine[];
  /** The claims of a token that the issuer has signed; `undefined`: the request has none. */
  readonly claims: Readonly<Record<string, unknown>> | undefined;
}

export interface HeaderLine {
  readonly name: string;
  readonly value: string;
}

/** The request as a proxy reads it. @param path normalised */
export function requestHeadOf(
  { method, headers }: ExplainedRequest,
  { authority, path }: { readonly authority: string; readonly path: string },
): RequestHead {
  const names = headers.map(({ name }) => name);
  const values = headers.map(({ value }) => byteTextFrom(value));
  return {
    ...{ method, authority, path, version: "1.1", scheme: "http", content: { kind: "none" } },
    ...{ upgrade: undefined, expectsContinue: false, bytes: 0 },
    fields: new FieldList({ names, values, neverIndexed: [] }),
  };
}
