import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatDer, formatInteger, formatOid, formatSequence, formatTime } from "./der-writer.ts";
import { IdentityError } from "./identity-error.ts";
import { mintRoot } from "./mint-certificate-fixture.ts";
import { type MintListOptions, mintRevocationList } from "./mint-revocation-list-fixture.ts";
import { readRevocationList } from "./revocation-list.ts";

const root = mintRoot({ commonName: "issuer" });
const rsa = mintRoot({ key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey });
const SERIALS = [
  "4f2a",
  "01",
  "00ff",
  "7fffffffffffffffffffffffffffffffffffffff",
  "00",
  "00ffffffffffffffffffffffffffffffffffffffff",
];
const REASON = "2.5.29.21";

function reason(code: number) {
  return { oid: REASON, critical: false, der: formatDer(0x0a, Buffer.from([code])) };
}

function mint(options: Partial<MintListOptions> = {}): Buffer {
  return mintRevocationList({ issuer: root, entries: [{ serialNumber: "4f2a" }], ...options });
}

/** A list with other bytes in it, which keep its length; the signature is not verified here. */
function replaced(der: Buffer, from: Buffer, to: Buffer): Buffer {
  const at = der.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new TypeError("there is nothing to replace");
  return Buffer.concat([der.subarray(0, at), to, der.subarray(at + from.length)]);
}

describe("a revocation list", () => {
  it("is read as openssl reads it", () => {
    const der = mint({ entries: SERIALS.map((serialNumber) => ({ serialNumber })) });
    const text = execFileSync("openssl", ["crl", "-inform", "DER", "-noout", "-text"], {
      input: der,
      encoding: "utf8",
    });
    const shown = [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)].map(([, digits = ""]) =>
      digits.replace(/^0+(?=.)/, ""),
    );
    const list = readRevocationList(der);
    expect(list.serialNumbers).toEqual(shown);
    expect(list.serialNumbers).toHaveLength(SERIALS.length);
    expect(list.thisUpdateMs).toBe(Date.parse("2026-01-01T00:00:00Z"));
    expect(list.nextUpdateMs).toBe(Date.parse("2040-01-01T00:00:00Z"));
    expect(list.algorithm).toEqual({ hash: "sha256", keyType: "ec" });
  });

  it.each<{ name: string; options: Partial<MintListOptions>; serialNumbers?: readonly string[] }>([
    { name: "without entries", options: { entries: [] }, serialNumbers: [] },
    { name: "of version 1", options: { version: 1 } },
    { name: "without a next update", options: { nextUpdate: undefined } },
    { name: "that is due after 2049", options: { nextUpdate: new Date("2051-01-01T00:00:00Z") } },
    { name: "signed with RSA", options: { issuer: rsa } },
    {
      name: "with a reason and the time of the theft",
      options: {
        entries: [
          {
            serialNumber: "4f2a",
            extensions: [
              reason(1),
              { oid: "2.5.29.24", critical: false, der: formatDer(0x18, Buffer.from("20260101000000Z")) },
            ],
          },
        ],
      },
    },
    {
      name: "with a certificate on hold",
      options: { entries: [{ serialNumber: "4f2a", extensions: [reason(6)] }] },
    },
    {
      name: "with an unknown extension that is not critical",
      options: { extensions: [{ oid: "1.2.3.4", critical: false, der: Buffer.from([5, 0]) }] },
    },
  ])("$name is read", ({ options, serialNumbers = ["4F2A"] }) => {
    expect(readRevocationList(mint(options)).serialNumbers).toEqual(serialNumbers);
  });

  it.each<{ name: string; der: Buffer; message: string }>([
    { name: "a delta list", der: mint({ extensions: [critical("2.5.29.27")] }), message: "it is a delta list" },
    {
      name: "a delta list that hides it",
      der: mint({ extensions: [{ ...critical("2.5.29.27"), critical: false }] }),
      message: "it is a delta list",
    },
    {
      name: "a list with a distribution point",
      der: mint({ extensions: [critical("2.5.29.28")] }),
      message: "it has an issuing distribution point",
    },
    {
      name: "an indirect list",
      der: mint({ entries: [{ serialNumber: "4f", extensions: [critical("2.5.29.29")] }] }),
      message: "it is an indirect list",
    },
    {
      name: "a certificate that is taken back",
      der: mint({ entries: [{ serialNumber: "4f", extensions: [reason(8)] }] }),
      message: "it takes the certificate 4F back",
    },
    {
      name: "an unknown critical extension",
      der: mint({ extensions: [critical("1.2.3.4")] }),
      message: "it has the unknown critical extension 1.2.3.4",
    },
    {
      name: "an unknown critical extension of an entry",
      der: mint({ entries: [{ serialNumber: "4f", extensions: [critical("1.2.3.4")] }] }),
      message: "its entry 4F has the unknown critical extension 1.2.3.4",
    },
    {
      name: "an extension twice",
      der: mint({ extensions: [critical("2.5.29.20"), critical("2.5.29.20")] }),
      message: "the extension 2.5.29.20 occurs twice",
    },
    {
      name: "a certificate twice",
      der: mint({ entries: [{ serialNumber: "4f" }, { serialNumber: "50" }, { serialNumber: "4f" }] }),
      message: "it names the certificate 4F twice",
    },
    { name: "a negative serial number", der: mint({ entries: [{ serialNumber: "ff" }] }), message: "empty, negative" },
    { name: "an empty serial number", der: mint({ entries: [{ serialNumber: "" }] }), message: "empty, negative" },
    { name: "a padded serial number", der: mint({ entries: [{ serialNumber: "004f" }] }), message: "not minimal" },
    {
      name: "a serial number of 22 octets",
      der: mint({ entries: [{ serialNumber: "4f".repeat(22) }] }),
      message: "longer than 20 octets",
    },
    {
      name: "extensions in version 1",
      der: mint({ version: 1, extensions: [{ ...critical("2.5.29.20"), critical: false }] }),
      message: "which its version 1 does not allow",
    },
    {
      name: "extensions of an entry in version 1",
      der: mint({ version: 1, entries: [{ serialNumber: "4f", extensions: [reason(1)] }] }),
      message: "which its version 1 does not allow",
    },
    {
      name: "version 3",
      der: replaced(mint(), formatInteger(Buffer.from([1])), formatInteger(Buffer.from([2]))),
      message: "its version is neither 1 nor 2",
    },
    {
      name: "a weak algorithm inside",
      der: replaced(mint(), formatOid("1.2.840.10045.4.3.2"), formatOid("1.2.840.10045.4.3.1")),
      message: "it names two signature algorithms",
    },
    {
      name: "SHA-1",
      der: sha1(mint()),
      message: "it is signed with the algorithm 1.2.840.10045.4.3.1",
    },
    {
      name: "a day that does not exist",
      der: replaced(mint(), Buffer.from("260101000000Z"), Buffer.from("260231000000Z")),
      message: "thisUpdate is not a time",
    },
    {
      name: "a time in another zone",
      der: replaced(mint(), Buffer.from("260101000000Z"), Buffer.from("26010100+0000")),
      message: "thisUpdate is not a time",
    },
    { name: "bytes after its end", der: Buffer.concat([mint(), Buffer.from([0])]), message: "unexpected bytes" },
    { name: "half of it", der: mint().subarray(0, 90), message: "exceeds its container" },
    { name: "nothing", der: Buffer.alloc(0), message: "truncated" },
    { name: "a certificate", der: root.certificate.raw, message: "the algorithm has tag 0xa0" },
    { name: "more than a Secret can contain", der: Buffer.alloc(1024 * 1024 + 1), message: "larger than" },
  ])("is refused: $name", ({ der, message }) => {
    expect(() => readRevocationList(der)).toThrow(IdentityError);
    expect(() => readRevocationList(der)).toThrow(message);
  });

  it("names at most ten thousand certificates", () => {
    const entries = Array.from({ length: 10_001 }, (_, index) => ({
      serialNumber: (0x400000 + index).toString(16),
    }));
    expect(readRevocationList(mint({ entries: entries.slice(1) })).serialNumbers).toHaveLength(10_000);
    expect(() => readRevocationList(mint({ entries }))).toThrow("more than 10000 certificates");
  });

  it("needs an issuer", () => {
    const nobody = formatSequence(
      ...[formatSequence(formatOid("1.2.840.10045.4.3.2")), formatSequence(), formatTime(new Date("2026-01-01"))],
    );
    const der = formatSequence(
      nobody,
      formatSequence(formatOid("1.2.840.10045.4.3.2")),
      formatDer(0x03, Buffer.from([0, 1])),
    );
    expect(() => readRevocationList(der)).toThrow("it has no issuer");
  });
});

function critical(oid: string) {
  return { oid, critical: true, der: formatInteger(Buffer.from([1])) };
}

/** Both of its algorithms. */
function sha1(der: Buffer): Buffer {
  const [from, to] = [formatOid("1.2.840.10045.4.3.2"), formatOid("1.2.840.10045.4.3.1")];
  return replaced(replaced(der, from, to), from, to);
}
