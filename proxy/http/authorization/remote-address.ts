import { isIP } from "node:net";
import type { RequestHead } from "../../messages/message-head.ts";

/**
 * The client's address for `remoteIpBlocks` at a sidecar, as in Istio: the last entry of `x-forwarded-for`, which the
 * nearest proxy has added. A direct client can forge it. `undefined`: there is no such field, or its last entry is not
 * an address.
 */
export function lastForwardedAddress({ fields }: Pick<RequestHead, "fields">): string | undefined {
  const forwarded = fields.get("x-forwarded-for");
  if (forwarded === undefined) return undefined;
  const last = forwarded.slice(forwarded.lastIndexOf(",") + 1).trim();
  return isIP(last) === 0 ? undefined : last;
}
