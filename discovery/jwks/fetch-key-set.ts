import { parseJsonObject } from "../../mesh/policy/request-authentication/encoded-json.ts";
import { formatKeySet, parseKeySet } from "../../mesh/policy/request-authentication/key-set.ts";
import type { KeySource } from "../../mesh/policy/request-authentication/key-source.ts";
import type { DocumentFetcher, FetchedDocument } from "../documents/fetch-document.ts";

export type FetchedKeySet =
  /** Public keys alone, as text. */
  | { readonly kind: "key_set"; readonly text: string; readonly keys: number }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * The keys of a source. Private parts that a server may publish are not passed on. A key set without a usable key is a
 * failure, so that the last good one is kept.
 */
export async function fetchKeySet(
  source: KeySource,
  fetcher: Pick<DocumentFetcher, "fetch">,
  signal: AbortSignal,
): Promise<FetchedKeySet> {
  const address = source.kind === "jwks" ? found(source.url) : await discover(source, fetcher, signal);
  if (address.kind === "failed") return address;
  const fetched = await fetcher.fetch({ url: address.text, signal });
  if (fetched.kind === "failed") return fetched;
  const keys = parseKeySet(fetched.text);
  if (keys === undefined) return failed("the response is not a JSON Web Key Set");
  if (keys.length === 0) return failed("the key set has no public key that is accepted");
  return { kind: "key_set", text: formatKeySet(keys), keys: keys.length };
}

/** The address of the keys, by OpenID Connect Discovery 1.0; its document must be that of the issuer (§4.3). */
async function discover(
  { url, issuer }: KeySource,
  fetcher: Pick<DocumentFetcher, "fetch">,
  signal: AbortSignal,
): Promise<FetchedDocument> {
  const fetched = await fetcher.fetch({ url, signal });
  if (fetched.kind === "failed") return failed(`the discovery document: ${fetched.reason}`);
  const document = parseJsonObject(fetched.text);
  if (document === undefined) return failed("the discovery document is not a JSON object");
  if (document["issuer"] !== issuer) return failed("the discovery document is that of another issuer");
  const address = document["jwks_uri"];
  if (typeof address !== "string") return failed("the discovery document has no jwks_uri");
  if (url.startsWith("https:") && !address.startsWith("https:")) {
    return failed("the discovery document leads from https to http");
  }
  return found(address);
}

function found(text: string): FetchedDocument {
  return { kind: "document", text };
}

function failed(reason: string): { readonly kind: "failed"; readonly reason: string } {
  return { kind: "failed", reason };
}
