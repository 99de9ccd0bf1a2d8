import { type BodyFraming, FIELD_STRIDE, type RequestHead } from "../../http1/message-head.ts";
import { originForm } from "../../http1/scanning/origin-form.ts";

export type HeaderField = readonly [name: string, value: string];

/** A request that the framer has accepted, in the form in which it is routed and forwarded. */
export interface AcceptedRequest {
  readonly method: string;
  /** The host: the target's authority, else Host. */
  readonly host: string;
  /** The target in origin form, to be forwarded unchanged. */
  readonly path: string;
  readonly framing: BodyFraming;
  /** The protocols to which the client offers to upgrade. */
  readonly upgrade: string | undefined;
  /** Names in lower case. */
  readonly headers: readonly HeaderField[];
}

export function acceptRequest(head: RequestHead): AcceptedRequest {
  const { method, host, target, framing, upgrade } = head;
  // No upgrade after a body: the upstream might read what follows the body as the other protocol.
  const isSwitch = framing.kind === "none";
  return {
    method,
    host,
    path: originForm(target),
    framing,
    upgrade: isSwitch ? upgrade : undefined,
    headers: readFields(head),
  };
}

/** All except `__proto__`, a legal name that an object of fields cannot hold. */
function readFields({ text, fields }: RequestHead): readonly HeaderField[] {
  const read: HeaderField[] = [];
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    const name = text.slice(fields[at], fields[at + 1]).toLowerCase();
    if (name !== "__proto__") read.push([name, text.slice(fields[at + 2], fields[at + 3])]);
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
