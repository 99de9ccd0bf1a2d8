import { describe, expect, it } from "vitest";
import { formatCaptureArgs, parseCaptureArgs } from "./capture-args.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "./capture-options.ts";

describe("the arguments of capture", () => {
  it("default to Istio's", () => {
    expect(parseCaptureArgs([])).toEqual({ options: DEFAULT_CAPTURE_OPTIONS, ipv6: "auto" });
  });

  it.each([
    { name: "the defaults", args: [] },
    { name: "ranges of both families", args: ["-i", "10.0.0.0/8,fd00::/8", "-x", "10.1.0.0/16"] },
    { name: "nothing included", args: ["-i", "", "-b", ""] },
    { name: "every list", args: ["-q", "443", "-o", "25,3306", "-d", "15020,22", "-c", "eth1,net+", "-u", "1337,0"] },
    { name: "switches", args: ["--drop-invalid", "--ipv6", "off"] },
  ])("parse back to the same options: $name", ({ args }) => {
    const parsed = parseCaptureArgs(args);
    expect(parseCaptureArgs(formatCaptureArgs(parsed))).toEqual(parsed);
  });

  it.each([
    { name: "port 0", args: ["-p", "0"], expected: '"0" is not a port' },
    { name: "a port beyond 65535", args: ["-d", "65536"], expected: '"65536" is not a port' },
    { name: "a port that is a name", args: ["-o", "http"], expected: '"http" is not a port' },
    { name: "an empty list item", args: ["-b", "80,,81"], expected: '"" is not a port' },
    { name: "a star among ports", args: ["-b", "80,*"], expected: '"*" is not a port' },
    { name: "a range that is a name", args: ["-i", "all"], expected: '"all" is not an IP range' },
    { name: "a prefix too long", args: ["-x", "10.0.0.0/33"], expected: '"10.0.0.0/33" is not an IP range' },
    { name: "an address with a zone", args: ["-x", "fe80::1%eth0"], expected: '"fe80::1%eth0" is not an IP range' },
    {
      name: "an interface with a line break",
      args: ["-c", "eth0\nCOMMIT"],
      expected: "is not the name of a network interface",
    },
    {
      name: "an interface with a blank",
      args: ["-c", "eth0 -j ACCEPT"],
      expected: "is not the name of a network interface",
    },
    {
      name: "an interface too long",
      args: ["-c", "abcdefghijklmnop"],
      expected: "is not the name of a network interface",
    },
    { name: "TPROXY", args: ["-m", "TPROXY"], expected: '"TPROXY" is not supported' },
    { name: "an unknown IPv6 mode", args: ["--ipv6", "maybe"], expected: '"maybe" is not a mode' },
  ])("are refused with an error that names the value: $name", ({ args, expected }) => {
    expect(() => parseCaptureArgs(args)).toThrow(expected);
  });

  it.each([
    { text: "10.1.2.3/8", block: "10.0.0.0/8" },
    { text: "192.168.1.7", block: "192.168.1.7/32" },
    { text: "2001:DB8:0:0::1/32", block: "2001:db8::/32" },
    { text: "::ffff:1.2.3.4", block: "::ffff:102:304/128" },
    { text: "::/0", block: "::/0" },
    { text: "0.0.0.0/0", block: "0.0.0.0/0" },
  ])("parse $text as the block $block", ({ text, block }) => {
    const { includeOutboundIpRanges } = parseCaptureArgs(["-i", text]).options;
    expect(includeOutboundIpRanges).toMatchObject([{ text: block }]);
  });
});
