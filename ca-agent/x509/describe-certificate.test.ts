import { expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { describeCertificate } from "./describe-certificate.ts";

it.each([
  { name: "before 2050", notAfter: "2031-02-03T04:05:06Z" },
  { name: "from 2050", notAfter: "2050-12-31T23:59:58Z" },
])("the serial number and the end of a certificate that ends $name are read as OpenSSL reads them", ({ notAfter }) => {
  const dates = { notBefore: new Date("2024-01-01"), notAfter: new Date(notAfter) };
  const { pem, certificate } = mintLeaf({ issuer: mintRoot(), uriSans: ["spiffe://a/ns/b/sa/c"], ...dates });
  expect(describeCertificate(pem)).toEqual({ serialNumber: certificate.serialNumber, notAfter });
});
