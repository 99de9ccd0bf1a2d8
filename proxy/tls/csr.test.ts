import { execFileSync, spawnSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { createSvidKey, formatCertificateRequest } from "./csr.ts";

const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");

describe("formatCertificateRequest", () => {
  it("makes a request that openssl verifies and parses", () => {
    const key = createSvidKey();
    const pem = formatCertificateRequest(key, identity);
    const shown = execFileSync("openssl", ["req", "-verify", "-noout", "-text", "-pubkey"], {
      input: pem,
      encoding: "utf8",
      stdio: ["pipe", "pipe", "pipe"],
    });
    expect(shown).toContain("X509v3 Subject Alternative Name: critical");
    expect(shown).toContain(`URI:${identity}`);
    expect(shown).toContain("ecdsa-with-SHA256");
    expect(shown).toContain("NIST CURVE: P-256");
    expect(shown).toContain(createPublicKey(key).export({ type: "spki", format: "pem" }).toString().trim());
  });

  it("is refused by openssl if a bit of it is changed", () => {
    const der = Buffer.from(formatCertificateRequest(createSvidKey(), identity).replace(/-----.*-----/g, ""), "base64");
    const at = der.indexOf("hello");
    der.write("jello", at, "latin1");
    const verified = spawnSync("openssl", ["req", "-inform", "DER", "-verify", "-noout"], { input: der });
    expect(verified.stderr.toString()).toMatch(/verify failure/);
  });

  it("uses a new key each time", () => {
    const [one, other] = [createSvidKey(), createSvidKey()];
    expect(one.equals(other)).toBe(false);
    expect(one.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  });
});
