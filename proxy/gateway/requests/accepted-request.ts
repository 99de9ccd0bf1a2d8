import type { Fields } from "../../messages/fields.ts";
import type { Content, RequestHead } from "../../messages/message-head.ts";

export type HeaderField = readonly [name: string, value: string];

/** A request that the framer has accepted, in the form in which it is routed and forwarded. */
export interface AcceptedRequest {
  readonly method: string;
  /** The host: the target's authority, else Host. */
  readonly host: string;
  readonly scheme: "http" | "https";
  /** The target in origin form, to be forwarded unchanged. */
  readonly path: string;
  readonly content: Content;
  /** The protocols to which the client offers to upgrade. */
  readonly upgrade: string | undefined;
  /** Names in lower case. */
  readonly headers: readonly HeaderField[];
}

export function acceptRequest(head: RequestHead): AcceptedRequest {
  const { method, authority, scheme, path, content, upgrade } = head;
  // No upgrade after a body: the upstream might read what follows the body as the other protocol.
  const isSwitch = content.kind === "none";
  return {
    method,
    host: authority,
    scheme,
    path,
    content,
    upgrade: isSwitch ? upgrade : undefined,
    headers: readFields(head.fields),
  };
}

/** All except `__proto__`, a legal name that an object of fields cannot hold. */
function readFields(fields: Fields): readonly HeaderField[] {
  const read: HeaderField[] = [];
  for (let index = 0; index < fields.count; index += 1) {
    const name = fields.nameAt(index);
    if (name !== "__proto__") read.push([name, fields.valueAt(index)]);
  }
  return read;
}

/** The names in Connection, in lower case. */
export function connectionOptions(headers: readonly HeaderField[]): readonly string[] {
  return headers
    .filter(([name]) => name === "connection")
    .flatMap(([, value]) => value.toLowerCase().split(","))
    .map((option) => option.trim())
    .filter((option) => option !== "");
}
