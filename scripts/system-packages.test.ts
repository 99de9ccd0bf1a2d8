import { describe, expect, it } from "vitest";
import { findMissing, formatMissing, SYSTEM_PROGRAMS } from "./system-packages.ts";

describe("system programs", () => {
  it("are found in any folder of the path", () => {
    const here = new Set(SYSTEM_PROGRAMS.map(({ program }) => `/usr/sbin/${program}`));
    expect(findMissing("/bin::/usr/sbin", (file) => here.has(file))).toEqual([]);
  });

  it("that are missing are named with their package and the command that installs them", () => {
    const text = formatMissing(findMissing("/bin", (file) => !file.endsWith("iptables-restore")));
    expect(text).toContain("iptables-restore (package iptables)");
    expect(text).toContain("apt-get install iptables\n");
    expect(text).not.toContain("iproute2");
  });
});
