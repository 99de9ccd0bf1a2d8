import { plainAuthority } from "../messages/plain-authority.ts";
import { collectFields, FieldCollector, isPseudoField } from "./check-fields.ts";
import { isAuthority, isTarget, isToken } from "./field-rules.ts";
import type { Checked, Http2Fields, Http2RequestHead } from "./message-head.ts";
import { malformed } from "./message-head.ts";

interface PseudoFields {
  method?: string;
  scheme?: string;
  path?: string;
  authority?: string;
  protocol?: string;
  /** How many there are: the position of the first regular field. */
  count: number;
}

const NAMES: Readonly<Record<string, Exclude<keyof PseudoFields, "count">>> = {
  ":method": "method",
  ":scheme": "scheme",
  ":path": "path",
  ":authority": "authority",
  ":protocol": "protocol",
};

/** The rules for one connection's requests. */
export interface RequestRules {
  /** Whether we announced SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3). */
  readonly allowsExtendedConnect: boolean;
}

/**
 * Checks the decoded fields of a request (RFC 9113 §8.2, §8.3.1) as strictly as the HTTP/1.1 framer, so that no two
 * parsers behind us read it differently (CVE-2021-21295, CVE-2021-33193, CVE-2021-39240, CVE-2019-9900).
 * @param endsStream whether the head is the whole request.
 */
export function checkRequest(
  received: Http2Fields,
  endsStream: boolean,
  rules: RequestRules,
): Checked<Http2RequestHead> {
  const pseudo = readPseudoFields(received);
  if (pseudo === undefined) return malformed("bad_pseudo_field", "a pseudo-field is unknown or repeated");
  const { method } = pseudo;
  if (method === undefined) return malformed("bad_pseudo_field", ":method is missing");
  if (!isToken(method)) return malformed("bad_method", ":method is not a token");
  const target = method === "CONNECT" ? checkConnect(pseudo, rules) : checkTarget(method, pseudo);
  if (target !== undefined) return target;
  const fields = new FieldCollector();
  const fault = collectFields(received, pseudo.count, fields);
  if (fault !== undefined) return { kind: "malformed", fault };
  return checkWhole(method, pseudo, fields, endsStream);
}

function checkWhole(
  method: string,
  pseudo: PseudoFields,
  fields: FieldCollector,
  endsStream: boolean,
): Checked<Http2RequestHead> {
  const { host } = fields;
  const received = pseudo.authority ?? host;
  // In the form of HTTP/1.1: an escaped letter must not make it another host to a policy than to the server.
  const authority = received === undefined || !isAuthority(received) ? undefined : plainAuthority(received);
  if (authority === undefined) {
    return malformed("bad_authority", ":authority or host must be a host with an optional port");
  }
  if (host !== undefined && host !== received && host.toLowerCase() !== received?.toLowerCase()) {
    return malformed("host_mismatch", "host differs from :authority");
  }
  const { contentLength } = fields;
  if (endsStream && contentLength !== undefined && contentLength > 0) {
    return malformed("bad_content_length", "a request without content declares content");
  }
  const { names, values, neverIndexed, expectsContinue } = fields;
  const { scheme = "", path = "", protocol } = pseudo;
  return {
    kind: "ok",
    value: {
      method,
      scheme,
      authority,
      path,
      protocol,
      contentLength,
      expectsContinue,
      names,
      values,
      neverIndexed,
    },
  };
}

function readPseudoFields({ names, values }: Http2Fields): PseudoFields | undefined {
  const found: PseudoFields = { count: 0 };
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] ?? "";
    if (!isPseudoField(name)) break;
    const key = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
    if (key === undefined || found[key] !== undefined) return undefined;
    found[key] = values[at] ?? "";
    found.count += 1;
  }
  return found;
}

function checkTarget(method: string, { scheme, path, protocol }: PseudoFields): Checked<never> | undefined {
  if (protocol !== undefined) return malformed("bad_pseudo_field", ":protocol is only for CONNECT");
  return checkSchemeAndPath(method, scheme, path);
}

function checkSchemeAndPath(
  method: string,
  scheme: string | undefined,
  path: string | undefined,
): Checked<never> | undefined {
  if (scheme !== "http" && scheme !== "https") return malformed("bad_scheme", ":scheme must be http or https");
  if (path === undefined) return malformed("bad_pseudo_field", ":path is missing");
  const isRightForm = path.startsWith("/") || (path === "*" && method === "OPTIONS");
  if (!isRightForm || !isTarget(path)) {
    return malformed("bad_path", ":path must be visible ASCII without #, beginning with /");
  }
  return undefined;
}

function checkConnect(pseudo: PseudoFields, { allowsExtendedConnect }: RequestRules): Checked<never> | undefined {
  const { scheme, path, protocol, authority } = pseudo;
  if (authority === undefined) return malformed("bad_authority", "CONNECT needs :authority");
  if (protocol === undefined) {
    if (scheme === undefined && path === undefined) return undefined;
    return malformed("bad_pseudo_field", "CONNECT must not contain :scheme and :path (RFC 9113 §8.5)");
  }
  if (!allowsExtendedConnect) return malformed("bad_pseudo_field", ":protocol was not offered (RFC 8441 §3)");
  if (!isToken(protocol)) return malformed("bad_pseudo_field", ":protocol is not a token");
  return checkSchemeAndPath("CONNECT", scheme, path);
}
