import { describe, expect, it } from "vitest";
import { diagnoseFailure, parsePrivileges } from "./diagnose-failure.ts";

const RULES = "*nat\n:ISTIO_OUTPUT - [0:0]\n-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN\nCOMMIT\n";

describe("a failure of iptables", () => {
  it.each([
    {
      name: "the legacy table does not exist",
      stderr: "iptables-save v1.8.9 (legacy): Cannot initialize: Table does not exist (do you need to insmod?)",
      module: "iptable_nat",
    },
    {
      name: "the legacy table of IPv6 cannot be opened",
      stderr: "ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable to initialize table 'nat'",
      family: "ipv6",
      module: "ip6table_nat",
    },
    {
      name: "the kernel has no nf_tables",
      stderr: "iptables-restore/1.8.9 Failed to initialize nft: Protocol not supported",
      module: "nf_tables",
    },
    {
      name: "the kernel lacks an extension that the message names",
      stderr:
        "Warning: Extension owner revision 0 not supported, missing kernel module?\niptables-restore: line 3 failed",
      module: "xt_owner",
    },
    {
      name: "the kernel lacks the extension of a rule that the message gives by line",
      stderr: "iptables-restore: line 3 failed: No chain/target/match by that name.",
      module: "xt_owner",
    },
    {
      name: "nf_tables refuses the rule",
      stderr:
        "iptables-restore v1.8.9 (nf_tables):\nline 3: RULE_APPEND failed (No such file or directory): rule in chain ISTIO_OUTPUT",
      module: "xt_owner",
    },
    {
      name: "nf_tables refuses the base chain",
      stderr:
        "iptables-restore v1.8.9 (nf_tables):\nline 1: CHAIN_ADD failed (No such file or directory): chain PREROUTING",
      module: "nft_chain_nat",
    },
  ])("names the kernel module: $name", ({ stderr, module, family }) => {
    const privileges = { uid: 0, hasNetAdmin: true };
    const error = diagnoseFailure({
      command: "iptables-restore",
      family: family === "ipv6" ? "ipv6" : "ipv4",
      status: 2,
      stderr,
      rules: RULES,
      privileges,
    });
    expect(error.code).toBe("kernel_module_missing");
    expect(error.message).toContain(`modprobe ${module}`);
  });

  it("reports a process that is not root", () => {
    const error = diagnoseFailure({
      command: "iptables-save",
      family: "ipv4",
      status: 4,
      stderr:
        "iptables-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)",
      rules: "",
      privileges: { uid: 1000, hasNetAdmin: false },
    });
    expect(error.code).toBe("not_permitted");
    expect(error.message).toContain("runs as user 1000");
  });

  it("names the missing capability, even if iptables only reports that a table cannot be opened", () => {
    const error = diagnoseFailure({
      command: "iptables-restore",
      family: "ipv4",
      status: 2,
      stderr: "iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'",
      rules: RULES,
      privileges: { uid: 0, hasNetAdmin: false },
    });
    expect(error.code).toBe("not_permitted");
    expect(error.message).toContain("NET_ADMIN");
  });

  it("passes on iptables' own message in all other cases", () => {
    const privileges = { uid: 0, hasNetAdmin: true };
    const stderr = "iptables-restore: COMMIT expected at line 9";
    const error = diagnoseFailure({
      command: "iptables-restore",
      family: "ipv4",
      status: 1,
      stderr,
      rules: RULES,
      privileges,
    });
    expect(error.code).toBe("iptables_failed");
    expect(error.message).toContain("COMMIT expected at line 9");
  });
});

describe("the process's privileges", () => {
  it("are parsed from its status file", () => {
    expect(parsePrivileges("Uid:\t1\t0\t0\t0\nCapEff:\t0000000000001000\n")).toEqual({ uid: 0, hasNetAdmin: true });
    expect(parsePrivileges("Uid:\t0\t1337\t0\t0\nCapEff:\t0000000000002000\n")).toEqual({
      uid: 1337,
      hasNetAdmin: false,
    });
  });

  it("are unknown if the status cannot be read", () => {
    expect(parsePrivileges("")).toEqual({ uid: undefined, hasNetAdmin: undefined });
  });
});
