import { describe, expect, it } from "vitest";
import { parseCaptureArgs } from "./capture-args.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "./capture-options.ts";
import { formatCaptureRules } from "./iptables-rules.ts";

/** The rules for the given arguments, without the lines that every transaction has. */
function rulesOf(args: readonly string[], family: "ipv4" | "ipv6" = "ipv4"): readonly string[] {
  const text = formatCaptureRules(parseCaptureArgs(args).options, family);
  return text.split("\n").filter((line) => line.startsWith("-A "));
}

describe("the capture rules", () => {
  it("are Istio's chains in Istio's order by default", () => {
    expect(formatCaptureRules(DEFAULT_CAPTURE_OPTIONS, "ipv4").trim().split("\n")).toEqual([
      "*nat",
      ":ISTIO_INBOUND - [0:0]",
      ":ISTIO_REDIRECT - [0:0]",
      ":ISTIO_IN_REDIRECT - [0:0]",
      ":ISTIO_OUTPUT - [0:0]",
      "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
      "-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN",
      "-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN",
      "-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN",
      "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
      "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
      "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
      "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
      "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT",
      "-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
      "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN",
      "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
      "-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
      "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
      "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
      "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
      "-A PREROUTING -p tcp -j ISTIO_INBOUND",
      "-A OUTPUT -j ISTIO_OUTPUT",
      "COMMIT",
    ]);
  });

  it("use the IPv6 loopback addresses in the same places", () => {
    const ipv4 = rulesOf([]);
    const translated = ipv4.map((rule) => rule.replace("127.0.0.6/32", "::6/128").replace("127.0.0.1/32", "::1/128"));
    expect(rulesOf([], "ipv6")).toEqual(translated);
  });

  it.each([
    {
      name: "an excluded outbound port returns for TCP and UDP before all other rules",
      args: ["-o", "5432"],
      wanted: ["-A ISTIO_OUTPUT -p tcp --dport 5432 -j RETURN", "-A ISTIO_OUTPUT -p udp --dport 5432 -j RETURN"],
      before: "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
    },
    {
      name: "an excluded outbound range returns before other traffic is redirected",
      args: ["-x", "10.96.0.1/12"],
      wanted: ["-A ISTIO_OUTPUT -d 10.96.0.0/12 -j RETURN"],
      before: "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
    },
    {
      name: "an included outbound port is redirected before the ranges are checked",
      args: ["-i", "10.0.0.0/8", "-q", "8443"],
      wanted: ["-A ISTIO_OUTPUT -p tcp --dport 8443 -j ISTIO_REDIRECT"],
      before: "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT",
    },
    {
      name: "an excluded inbound port returns before other traffic is redirected",
      args: ["-d", "15090,15021,9999,15020"],
      wanted: ["-A ISTIO_INBOUND -p tcp --dport 9999 -j RETURN"],
      before: "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
    },
    {
      name: "an excluded interface returns first, in both directions",
      args: ["-c", "eth1"],
      wanted: ["-A ISTIO_INBOUND -i eth1 -j RETURN", "-A ISTIO_OUTPUT -o eth1 -j RETURN"],
      before: "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
    },
  ])("$name", ({ args, wanted, before }) => {
    const rules = rulesOf(args);
    for (const rule of wanted) {
      expect(rules).toContain(rule);
      expect(rules.indexOf(rule)).toBeLessThan(rules.indexOf(before));
    }
  });

  it("capture only the listed inbound ports if there is a list", () => {
    const rules = rulesOf(["-b", "8080,9090"]);
    expect(rules).toContain("-A ISTIO_INBOUND -p tcp --dport 8080 -j ISTIO_IN_REDIRECT");
    expect(rules).toContain("-A ISTIO_INBOUND -p tcp --dport 9090 -j ISTIO_IN_REDIRECT");
    expect(rules).not.toContain("-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT");
  });

  it("capture no inbound port if the list is empty", () => {
    const rules = rulesOf(["-b", ""]);
    expect(rules.filter((rule) => rule.includes("ISTIO_IN_REDIRECT") && rule.includes("ISTIO_INBOUND"))).toEqual([]);
    expect(rules.filter((rule) => rule.startsWith("-A PREROUTING"))).toEqual([]);
  });

  it("redirect no outbound address if the list of ranges is empty", () => {
    expect(rulesOf(["-i", ""]).filter((rule) => /OUTPUT .*-j ISTIO_REDIRECT/.test(rule))).toEqual([]);
  });

  it("capture an application's calls to itself if loopback addresses are included", () => {
    expect(rulesOf(["-i", "127.1.2.3/32"])).not.toContain(
      "-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
    );
    expect(rulesOf(["-i", "0.0.0.0/0"])).toContain("-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN");
  });

  it("put a range only into the table of its IP family", () => {
    expect(rulesOf(["-i", "10.0.0.0/8,2001:db8::/32"], "ipv6")).toContain(
      "-A ISTIO_OUTPUT -d 2001:db8::/32 -j ISTIO_REDIRECT",
    );
    expect(rulesOf(["-i", "10.0.0.0/8,2001:db8::/32"], "ipv6").join()).not.toContain("10.0.0.0");
  });

  it("drop invalid packets in a separate chain if the option is set", () => {
    const text = formatCaptureRules(parseCaptureArgs(["--drop-invalid"]).options, "ipv4");
    expect(text).toContain("*mangle\n:ISTIO_DROP_INVALID - [0:0]\n");
    expect(text).toContain("-A ISTIO_DROP_INVALID -m conntrack --ctstate INVALID -j DROP\n");
  });
});
