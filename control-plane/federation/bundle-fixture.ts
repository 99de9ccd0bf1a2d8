/** For tests: SPIFFE bundles of minted roots. */
import type { MintedCertificate } from "../../mesh/identity/mint-certificate-fixture.ts";

/** A key as SPIRE publishes it. */
export function keyOf({ certificate }: MintedCertificate): Readonly<Record<string, unknown>> {
  const { kty, ...members } = certificate.publicKey.export({ format: "jwk" });
  return { use: "x509-svid", kty, ...members, x5c: [certificate.raw.toString("base64")] };
}

/** A bundle with these roots, as text. */
export function bundleOf(roots: readonly MintedCertificate[], more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ keys: roots.map(keyOf), ...more });
}
