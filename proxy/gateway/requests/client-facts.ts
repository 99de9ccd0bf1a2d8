import { isIP } from "node:net";
import { forwardedProto } from "../../messages/edits/hop-headers.ts";
import type { RequestHead } from "../../messages/message-head.ts";

/** What the gateway knows about a request's client besides the head. */
export interface ClientFacts {
  /** Of the client in front of the trusted proxies; without such the TCP peer's. */
  readonly remoteIp: string;
  /** What the client speaks with the outermost trusted proxy, or with the gateway. */
  readonly proto: "http" | "https";
  readonly requestId: string;
  /** The fields that the gateway writes about the client, instead of the client's own. */
  readonly written: Readonly<Record<string, string>>;
}

export interface ClientFactsInput {
  readonly head: Pick<RequestHead, "fields">;
  readonly peerIp: string;
  /** How many proxies in front of the gateway are trusted with `x-forwarded-*`. */
  readonly numTrustedProxies: number;
  readonly requestId: string;
}

/**
 * Reads what trusted proxies have written, as Envoy does with `use_remote_address` and `xff_num_trusted_hops`. Each of
 * them appends the address that it sees to `x-forwarded-for`, so the client's own is that many entries from the right;
 * everything before is the client's claim. Without trusted proxies nothing of it is read.
 */
export function readClientFacts({ head, peerIp, numTrustedProxies, requestId }: ClientFactsInput): ClientFacts {
  const isTrusted = numTrustedProxies > 0;
  const forwardedFor = head.fields.get("x-forwarded-for");
  const remoteIp = isTrusted ? (entryFromRight(forwardedFor, numTrustedProxies) ?? peerIp) : peerIp;
  const forwarded = isTrusted ? head.fields.get("x-forwarded-proto") : undefined;
  const proto = forwarded === "http" || forwarded === "https" ? forwarded : forwardedProto("gateway");
  const written = {
    "x-forwarded-for": forwardedFor === undefined ? peerIp : `${forwardedFor}, ${peerIp}`,
    "x-forwarded-proto": proto,
    "x-envoy-external-address": remoteIp,
    "x-request-id": requestId,
  };
  return { remoteIp, proto, requestId, written };
}

/** An entry of `x-forwarded-for`, the last one being the first; `undefined`: there is none, or it is not an address. */
function entryFromRight(forwardedFor: string | undefined, position: number): string | undefined {
  const entry = forwardedFor?.split(",").at(-position)?.trim();
  return entry === undefined ? undefined : readAddress(entry);
}

/** An address, in brackets or not, with a port or not, as load balancers write it. */
function readAddress(entry: string): string | undefined {
  const [, bracketed, plain] = /^\[([^\]]*)\](?::\d+)?$|^([^:]*):\d+$/.exec(entry) ?? [];
  const address = (bracketed ?? plain ?? entry).replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(address) === 0 ? undefined : address;
}
