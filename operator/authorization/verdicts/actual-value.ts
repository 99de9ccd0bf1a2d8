import { spiffeIdParts } from "../../../mesh/identity/spiffe-id.ts";
import type {
  AuthorizationAttributes,
  ConnectionAttributes,
  RequestAttributes,
} from "../../../mesh/policy/authorization/authorization.ts";
import { textFromBytes } from "../../../mesh/policy/byte-text.ts";
import { formatValues, nameOfKey } from "./rule-text.ts";

/** What a connection or a request has for the key of a condition. */
export type ActualValue =
  | { readonly kind: "values"; readonly values: readonly string[] }
  /** Of an identity: the client has none. */
  | { readonly kind: "plaintext" }
  /** Of a stream nothing of HTTP is known. */
  | { readonly kind: "stream" }
  | { readonly kind: "no-token" }
  /** The header, the claim or the server name is not there. */
  | { readonly kind: "absent" }
  /** Of an address: manifests contain none. */
  | { readonly kind: "unknown" }
  /** The condition itself has a key or a value without meaning, and never holds. */
  | { readonly kind: "unusable" };

/** What is compared with a condition's values. */
export function actualValueOf(key: string, { connection, request }: AuthorizationAttributes): ActualValue {
  if (key.startsWith("source.") && key !== "source.ip") return identityValue(key, connection);
  const ofConnection = CONNECTION_VALUES.get(key);
  if (ofConnection !== undefined) {
    const value = ofConnection(connection);
    return value === "" ? { kind: "unknown" } : present(value);
  }
  return request === undefined ? { kind: "stream" } : requestValue(key, request);
}

/** What a sentence says of it: `the request has POST`. */
export function formatActualValue(key: string, actual: ActualValue): string {
  switch (actual.kind) {
    case "plaintext":
      return "the client sends plaintext and has no identity";
    case "stream":
      return "the port carries a stream, of which no request is known";
    case "no-token":
      return "the request has no verified token";
    case "unusable":
      return `the condition ${key} has no meaning`;
    case "unknown":
      return `the ${nameOfKey(key)} is not known`;
    case "absent":
      return `the ${subjectOf(key)} has no ${nameOfKey(key)}`;
    case "values":
      return `the ${subjectOf(key)} has ${formatValues(actual.values)}`;
  }
}

const CONNECTION_VALUES: ReadonlyMap<string, (connection: ConnectionAttributes) => string | undefined> = new Map([
  ["source.ip", ({ sourceIp }) => sourceIp],
  ["remote.ip", ({ remoteIp }) => remoteIp],
  ["destination.ip", ({ destinationIp }) => destinationIp],
  ["destination.port", ({ destinationPort }) => String(destinationPort)],
  ["connection.sni", ({ sni }) => sni],
]);

function subjectOf(key: string): string {
  if (key.startsWith("source.") && key !== "source.ip") return "client";
  if (key.startsWith("request.auth.")) return "token";
  return key.startsWith("request.") ? "request" : "connection";
}

function identityValue(key: string, { peer }: ConnectionAttributes): ActualValue {
  if (peer === undefined) return { kind: "plaintext" };
  const { trustDomain, namespace, serviceAccount } = spiffeIdParts(peer);
  switch (key) {
    case "source.namespace":
      return present(namespace);
    case "source.serviceAccount":
      return present(`${namespace}/${serviceAccount}`);
    case "source.trustDomain":
      return present(trustDomain);
    default:
      return present(peer.slice("spiffe://".length));
  }
}

function requestValue(key: string, request: RequestAttributes): ActualValue {
  switch (key) {
    case "request.method":
      return present(request.method);
    case "request.path":
      return present(request.path);
    case "request.host":
      return present(request.authority);
  }
  const header = /^request\.headers\[(.*)\]$/.exec(key)?.[1]?.toLowerCase();
  if (header === undefined) return tokenValue(key, request);
  return header === "host" ? present(request.authority) : presentAll(request.headerLines(header).map(textFromBytes));
}

function tokenValue(key: string, { token }: RequestAttributes): ActualValue {
  if (token === undefined) return { kind: "no-token" };
  if (key === "request.auth.principal") return present(`${token.issuer}/${token.subject}`);
  return presentAll(textsOf(pathOfClaim(key).reduce<unknown>(fieldOf, token.claims)));
}

/** `request.auth.claims[a][b]` is at `a`, `b`. */
function pathOfClaim(key: string): readonly string[] {
  if (key === "request.auth.audiences") return ["aud"];
  if (key === "request.auth.presenter") return ["azp"];
  return [...key.matchAll(/\[([^[\]]*)\]/g)].map(([, name = ""]) => name);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([field]) => field === name)?.[1];
}

function textsOf(value: unknown): readonly string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
}

function present(value: string | undefined): ActualValue {
  return value === undefined ? { kind: "absent" } : { kind: "values", values: [value] };
}

function presentAll(values: readonly string[]): ActualValue {
  return values.length === 0 ? { kind: "absent" } : { kind: "values", values };
}
