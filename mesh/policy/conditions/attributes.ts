import { type SpiffeId, spiffeIdParts } from "../../identity/spiffe-id.ts";
import type { ConnectionAttributes, RequestAttributes, TokenAttributes } from "../authorization/authorization.ts";
import { cutAt } from "../authorization/normalize-path.ts";
import { type IpBits, parseIp } from "./ip-blocks.ts";

/** A client's identity in the forms in which policies name it. */
export interface PeerNames {
  /** Without `spiffe://`. */
  readonly principal: string;
  readonly trustDomain: string;
  readonly namespace: string;
  /** `NAMESPACE/NAME` */
  readonly serviceAccount: string;
}

/** What is known of a connection, in the forms that conditions compare. Addresses are parsed when first asked for. */
export class ConnectionFacts {
  readonly peer: PeerNames | undefined;
  /** In lower case, as in Envoy: it is a name of DNS. */
  readonly sni: string | undefined;
  readonly port: string;
  readonly #addresses: ConnectionAttributes;
  readonly #parsed = new Map<string, IpBits | undefined>();

  constructor(connection: ConnectionAttributes) {
    this.peer = connection.peer === undefined ? undefined : namesOf(connection.peer);
    this.sni = connection.sni === undefined ? undefined : lowerAscii(connection.sni);
    this.port = String(connection.destinationPort);
    this.#addresses = connection;
  }

  /** undefined: not an address. */
  ip(name: "sourceIp" | "remoteIp" | "destinationIp"): IpBits | undefined {
    if (!this.#parsed.has(name)) this.#parsed.set(name, parseIp(this.#addresses[name]));
    return this.#parsed.get(name);
  }
}

export type ConnectionTest = (facts: ConnectionFacts) => boolean;
export type RequestTest = (facts: RequestFacts) => boolean;

const SCHEME = "spiffe://";

function namesOf(peer: SpiffeId): PeerNames {
  const { trustDomain, namespace, serviceAccount } = spiffeIdParts(peer);
  return {
    principal: peer.slice(SCHEME.length),
    trustDomain,
    namespace,
    serviceAccount: `${namespace}/${serviceAccount}`,
  };
}

/** What is known of a request, in the forms that conditions compare. */
export class RequestFacts {
  readonly method: string;
  readonly authority: string;
  readonly pathWithQuery: string;
  readonly token: TokenAttributes | undefined;
  readonly #request: RequestAttributes;
  #lines: { readonly name: string; readonly lines: readonly string[] } | undefined;
  #path: string | undefined;
  #host: string | undefined;

  constructor(request: RequestAttributes) {
    this.method = request.method;
    this.authority = request.authority;
    this.pathWithQuery = request.path;
    this.token = request.token;
    this.#request = request;
  }

  /** The lines of a field; many rules in a row may ask for the same one. @param name in lower case */
  headerLines(name: string): readonly string[] {
    if (this.#lines?.name !== name) this.#lines = { name, lines: this.#request.headerLines(name) };
    return this.#lines.lines;
  }

  /** Without query and fragment. */
  get path(): string {
    this.#path ??= cutAt(cutAt(this.pathWithQuery, "?"), "#");
    return this.#path;
  }

  /** The authority with its port, in lower case; empty: the request has none. */
  get host(): string {
    this.#host ??= lowerAscii(this.authority);
    return this.#host;
  }
}

/** Letters of ASCII alone: two names that differ in other letters are two names. */
export function lowerAscii(text: string): string {
  return /[A-Z]/.test(text) ? text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}
