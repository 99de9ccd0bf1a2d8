import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { mintRoot } from "./mint-certificate-fixture.ts";
import { normalizeSerialNumber } from "./serial-number.ts";

it.each([
  ["0A", "A"],
  ["0a", "A"],
  ["000ABC", "ABC"],
  ["abcdef01", "ABCDEF01"],
  ["00", "0"],
  ["0", "0"],
  ["-0A", "-A"],
])("the serial number %s is compared as %s", (text, normal) => {
  expect(normalizeSerialNumber(text)).toBe(normal);
  expect(normalizeSerialNumber(normal)).toBe(normal);
});

it.each(["", "-", "0x0A", "A\nB", "A "])("%j is not a serial number and stays as it is", (text) => {
  expect(normalizeSerialNumber(text)).toBe(text);
});

it.each([[0x0a], [0x0a, 0xbc], [0x80, 0xff], [0x01]])("openssl and Node have the same number for %j", (...octets) => {
  const { certificate, pem } = mintRoot({ serialNumber: Uint8Array.from(octets) });
  const shown = execFileSync("openssl", ["x509", "-noout", "-serial"], { input: pem, encoding: "utf8" }).trim();
  const number = octets
    .reduce((sum, octet) => sum * 256 + octet, 0)
    .toString(16)
    .toUpperCase();
  expect(normalizeSerialNumber(shown.replace("serial=", ""))).toBe(number);
  expect(normalizeSerialNumber(certificate.serialNumber)).toBe(number);
});
