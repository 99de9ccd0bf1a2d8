import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CaError } from "../ca-error.ts";
import { MAX_CSR_BYTES } from "./certificate-request.ts";
import { formatPem } from "./pem.ts";
import { readRequestedNames } from "./requested-names.ts";

/** A request made by openssl; the arguments add extensions. */
function createCsr(...args: readonly string[]): string {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"];
  return execFileSync("openssl", ["req", "-new", ...key, "-subj", "/CN=x", ...args], {
    encoding: "utf8",
    stdio: "pipe",
  });
}

const HELLO = "spiffe://cluster.local/ns/ns1/sa/hello";

describe("the names that a signing request asks for", () => {
  it.each([
    { name: "none without extensions", args: [], uris: [] },
    { name: "none among other extensions", args: ["-addext", "keyUsage=digitalSignature"], uris: [] },
    { name: "one", args: ["-addext", `subjectAltName=critical,URI:${HELLO}`], uris: [HELLO] },
    {
      name: "several",
      args: ["-addext", `subjectAltName=URI:${HELLO},DNS:a.b,URI:spiffe://x`],
      uris: [HELLO, "spiffe://x"],
    },
  ])("are found: $name", ({ args, uris }) => {
    expect(readRequestedNames(createCsr(...args)).uris).toEqual(uris);
  });

  it.each([
    { name: "text", pem: "garbage" },
    { name: "another structure", pem: formatPem("CERTIFICATE REQUEST", Buffer.from("3003020100", "hex")) },
    { name: "too many bytes", pem: " ".repeat(MAX_CSR_BYTES + 1) },
  ])("cannot be read from $name", ({ pem }) => {
    expect(() => readRequestedNames(pem)).toThrow(CaError);
  });

  it("are read or are a CaError, whichever octet of the request is changed", () => {
    const pem = createCsr("-addext", `subjectAltName=URI:${HELLO}`);
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        try {
          readRequestedNames(formatPem("CERTIFICATE REQUEST", changed));
        } catch (caught) {
          expect(caught).toBeInstanceOf(CaError);
        }
      }),
    );
  });
});
