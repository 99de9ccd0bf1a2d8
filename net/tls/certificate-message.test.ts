import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ecKey, hostileDsaKey, mintLadder } from "../../mesh/identity/hostile-chain-fixture.ts";
import { judgeCertificateMessage } from "./certificate-message.ts";

const VERSIONS = { tls12: 0x0303, tls13: 0x0304 } as const;

function vector(lengthOctets: number, content: Uint8Array): Buffer {
  const length = Buffer.alloc(lengthOctets);
  length.writeUIntBE(content.length, 0, lengthOctets);
  return Buffer.concat([length, content]);
}

function formatMessage(certificates: readonly Uint8Array[], version: keyof typeof VERSIONS): Buffer {
  const isTls13 = version === "tls13";
  const extensions = isTls13 ? vector(2, Buffer.from("0005000401000000", "hex")) : Buffer.alloc(0);
  const list = vector(3, Buffer.concat(certificates.map((der) => Buffer.concat([vector(3, der), extensions]))));
  return isTls13 ? Buffer.concat([vector(1, Buffer.alloc(0)), list]) : list;
}

const HONEST = mintLadder([ecKey(), ecKey()]).certificates;
const DSA = mintLadder([ecKey(), hostileDsaKey(2048)]).certificates;
const LONG = mintLadder(Array.from({ length: 40 }, ecKey)).certificates;

describe.each(["tls12", "tls13"] as const)("a Certificate message of %s", (version) => {
  const judge = (body: Uint8Array) => judgeCertificateMessage(body, VERSIONS[version])?.reason;

  it.each([
    { name: "no certificate", certificates: [], reason: undefined },
    { name: "a chain of the mesh", certificates: HONEST, reason: undefined },
    { name: "a key that is not accepted", certificates: DSA, reason: "unsupported_signature" },
    { name: "41 certificates", certificates: LONG, reason: "chain_too_long" },
  ])("with $name: $reason", ({ certificates, reason }) => {
    expect(judge(formatMessage(certificates, version))).toBe(reason);
  });

  it.each([
    { name: "cut short", change: (body: Buffer) => body.subarray(0, -1) },
    { name: "with an extra octet", change: (body: Buffer) => Buffer.concat([body, Buffer.alloc(1)]) },
    { name: "empty", change: () => Buffer.alloc(0) },
  ])("$name is refused", ({ change }) => {
    expect(judge(change(formatMessage(HONEST, version)))).toBe("malformed_certificate");
  });

  it("filled with 0xff is refused, whatever its length", () => {
    for (const length of [1, 3, 4, 255, 256, 300, 1000, 16_640]) {
      expect(judge(Buffer.alloc(length, 0xff))).toBe("malformed_certificate");
    }
  });

  it("of any octets throws nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (body) => {
        expect(() => judge(body)).not.toThrow();
      }),
    );
  });
});
