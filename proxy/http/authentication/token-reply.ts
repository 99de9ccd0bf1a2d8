import {
  describeTokenRefusal,
  statusOfTokenRefusal,
  type TokenRefusal,
} from "../../../mesh/policy/request-authentication/token-refusal.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";

/** Characters of the realm, as Envoy's. */
const MAX_REALM_LENGTH = 256;

/**
 * The local reply to a request whose token is refused, with the challenge of RFC 6750 §3. As Envoy's, the realm is the
 * request's address, here without its query, which may contain a token.
 */
export function tokenReply(
  refusal: TokenRefusal,
  request: Pick<RequestHead, "scheme" | "authority" | "path">,
): LocalReply {
  const status = statusOfTokenRefusal(refusal);
  const body = describeTokenRefusal(refusal);
  // Envoy's, in which whitespace is an underscore.
  const details = `jwt_authn_access_denied{${body.replaceAll(" ", "_")}}`;
  if (status === 503) return { status, flags: "UO", details, body };
  const challenge = `Bearer realm="${formatRealm(request)}", error="invalid_token"`;
  return { status, flags: "-", details, body, fields: [{ name: "www-authenticate", value: challenge }] };
}

/** The content of a quoted string (RFC 9110 §5.6.4); what is not visible ASCII becomes `?`. */
function formatRealm({ scheme, authority, path }: Pick<RequestHead, "scheme" | "authority" | "path">): string {
  const [address = ""] = `${scheme}://${authority}${path}`.split("?", 1);
  return address
    .slice(0, MAX_REALM_LENGTH)
    .replaceAll(/[^\x21-\x7e]/g, "?")
    .replaceAll(/["\\]/g, "\\$&");
}
