import { describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { formatRootConfigMap, isUpToDate } from "./root-config-map.ts";

const [one, two, three] = ["one", "two", "three"].map((commonName) => mintRoot({ commonName }).certificate.toString());
const roots = [one ?? "", two ?? ""];

function containing(text: string) {
  return formatRootConfigMap("ns1", [text], undefined);
}

describe("a ConfigMap", () => {
  it.each([
    { name: "what would be written", text: roots.join("") },
    {
      name: "the bundle as Istio's operator wrote it",
      text: `# company\r\n${one?.replaceAll("\n", "\r\n")}\n# other\n${two}\n\n`,
    },
    { name: "another order", text: `${two}${one}` },
  ])("with $name is left alone", ({ text }) => {
    expect(isUpToDate(containing(text), roots, undefined)).toBe(true);
  });

  it.each([
    { name: "one root less", text: one ?? "" },
    { name: "one root more", text: `${roots.join("")}${three}` },
    { name: "another root", text: `${one}${three}` },
    {
      name: "a block that cannot be read",
      text: `${roots.join("")}-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n`,
    },
    {
      name: "a root of another kind",
      text: `${roots.join("")}${three?.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE")}`,
    },
    { name: "nothing", text: "" },
  ])("with $name is repaired", ({ text }) => {
    expect(isUpToDate(containing(text), roots, undefined)).toBe(false);
  });

  it("without Istio's label is repaired", () => {
    const { metadata, ...rest } = containing(roots.join(""));
    const { labels: _, ...bare } = metadata;
    expect(isUpToDate({ ...rest, metadata: bare }, roots, undefined)).toBe(false);
  });
});
