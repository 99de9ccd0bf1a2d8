import { describe, expect, it } from "vitest";
import { federatedDomains } from "../../mesh/mesh-settings.ts";
import { meshSettingsFrom } from "./mesh-settings.ts";

const URL_ = "https://bundles.example/";

describe("the settings of a mesh configuration", () => {
  it("have the foreign trust domains", () => {
    const text = `caCertificates: [{ spiffeBundleUrl: ${URL_}, trustDomains: [there.example] }]`;
    expect(federatedDomains(meshSettingsFrom(text, "istio-system"))).toEqual(["there.example"]);
  });

  it.each([
    { name: "there are none", text: "trustDomain: a" },
    { name: "they cannot be read", text: `caCertificates: [{ spiffeBundleUrl: ${URL_}, trustDomains: [a] }, 1]` },
    {
      name: "one is the mesh's own",
      text: `trustDomain: a\ncaCertificates: [{ spiffeBundleUrl: ${URL_}, trustDomains: [a] }]`,
    },
  ])("have none if $name", ({ text }) => {
    expect(federatedDomains(meshSettingsFrom(text, "istio-system"))).toEqual([]);
  });
});
