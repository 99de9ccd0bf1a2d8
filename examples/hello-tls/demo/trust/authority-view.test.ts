import { describe, expect, it } from "vitest";
import { describeAuthority, parseAuthority } from "./authority-view.ts";

const STATUS = {
  proxies: { connected: 6 },
  roots: [
    { fingerprint: "AA:BB:CC:DD", isSigning: true, trustedBy: 6, leaves: 6 },
    { fingerprint: "11:22:33:44", isSigning: false, trustedBy: 5, leaves: 0 },
  ],
};

describe("the output of entente ca status", () => {
  it("is read as roots, with the proxies that trust each and hold certificates of it", () => {
    const authority = parseAuthority(JSON.stringify(STATUS));
    expect(authority?.connected).toBe(6);
    expect(authority?.roots[1]).toEqual({
      ...{ fingerprint: "11:22:33:44", isSigning: false, trustedBy: 5, certificates: 0 },
    });
    expect(describeAuthority(authority)).toBe(
      "AA:BB:CC… (signs): trusted by 6 of 6, 6 certificates; 11:22:33…: trusted by 5 of 6, 0 certificates",
    );
  });

  it.each(["", "no JSON", "{}", '{"roots":[]}'])("is nothing if it is %j", (text) => {
    expect(parseAuthority(text)).toBeUndefined();
    expect(describeAuthority(parseAuthority(text))).toBe("no control plane responds");
  });
});
