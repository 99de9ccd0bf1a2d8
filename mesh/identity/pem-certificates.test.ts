import { describe, expect, it } from "vitest";
import { mintRoot } from "./mint-certificate-fixture.ts";
import { splitCertificates, splitWholeCertificates } from "./pem-certificates.ts";

const one = mintRoot({ commonName: "one" }).pem;
const two = mintRoot({ commonName: "two" }).pem;

describe("a text of certificates that must be whole", () => {
  it.each([
    { name: "with nothing between them", text: one + two },
    {
      name: "with the line breaks of Windows and a byte order mark",
      text: `\uFEFF${(one + two).replaceAll("\n", "\r\n")}`,
    },
    { name: "without a line break between them", text: one.trim() + two },
    { name: "with text between them", text: `# the first ---\n${one}subject=CN=two\n\n${two}# end` },
    {
      name: "with a key and a request",
      text: `${one}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n${two}-----BEGIN CERTIFICATE REQUEST-----\n`,
    },
  ])("is read $name", ({ text }) => {
    expect(splitWholeCertificates(text).map((block) => block.replaceAll("\r", ""))).toEqual([one, two]);
  });

  it.each([
    { name: "ends in the middle of one", text: one + two.slice(0, 200) },
    { name: "ends before the last line of one", text: one + two.slice(0, two.indexOf("-----END")) },
    { name: "has one whose first line is damaged", text: one + two.slice(1) },
    { name: "has one with a character that is not base64", text: one + two.replace(/\n./, "\n!") },
    {
      name: "has one that OpenSSL writes as trusted",
      text: one + two.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE"),
    },
    { name: "has one with the old label", text: two.replaceAll("CERTIFICATE", "X509 CERTIFICATE") + one },
  ])("is refused if it $name, where the others alone would be read", ({ text }) => {
    expect(splitCertificates(text)).toEqual([one]);
    expect(() => splitWholeCertificates(text)).toThrow(/incomplete, or not between the lines/);
  });
});
