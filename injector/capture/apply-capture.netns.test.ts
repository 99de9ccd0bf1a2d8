import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const NAMESPACE = `entente-test-${process.pid}`;

/** Another user, who may yet read a checkout that lies in a folder of root's. */
const READS_ALL = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
const AS_USER_1337 = ["setpriv", "--reuid=1337", "--regid=1337", "--clear-groups", ...READS_ALL];

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function inNamespace(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Outcome {
  const result = spawnSync("ip", ["netns", "exec", NAMESPACE, ...command], { encoding: "utf8", env });
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

function capture(args: readonly string[], prefix: readonly string[] = []): Outcome {
  return inNamespace([...prefix, process.execPath, MAIN, "capture", ...args]);
}

/** The rules as iptables prints them, without the lines that hold times and counters. */
function rules(program = "iptables-save"): string {
  const { stdout } = inNamespace([program]);
  return stdout.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "[0:0]");
}

beforeEach(() => {
  execFileSync("ip", ["netns", "add", NAMESPACE]);
  inNamespace(["ip", "link", "set", "lo", "up"]);
});

afterEach(() => {
  execFileSync("ip", ["netns", "del", NAMESPACE]);
});

describe("entente capture, in a network namespace with real iptables", () => {
  it.each([
    { name: "the defaults", args: [] },
    {
      name: "every option",
      args: [
        "-i",
        "10.0.0.0/8,fd00::/8",
        "-x",
        "10.1.2.3/16",
        "-q",
        "443",
        "-o",
        "25",
        "-c",
        "eth1,net+",
        "--drop-invalid",
      ],
    },
    { name: "listed inbound ports", args: ["-b", "8080,9090"] },
    { name: "nothing but the chains", args: ["-b", "", "-i", ""] },
  ])("applies the rules, and applying them again changes nothing: $name", ({ args }) => {
    const first = capture(["apply", ...args]);
    expect(first).toMatchObject({ status: 0, stderr: "" });
    const once = { ipv4: rules(), ipv6: rules("ip6tables-save") };
    expect(once.ipv4).toContain("-A OUTPUT -j ISTIO_OUTPUT");
    expect(once.ipv6).toContain("-A OUTPUT -j ISTIO_OUTPUT");
    const second = capture(["apply", ...args]);
    expect(second.status).toBe(0);
    expect(second.stdout).toContain("ipv4 in force, by iptables (unchanged)");
    expect(second.stdout).toContain("ipv6 in force, by ip6tables (unchanged)");
    expect({ ipv4: rules(), ipv6: rules("ip6tables-save") }).toEqual(once);
  });

  it("mends rules that were changed behind its back, and leaves the rules of others", () => {
    capture(["apply"]);
    const wanted = rules();
    inNamespace(["iptables", "--wait", "-t", "nat", "-I", "ISTIO_INBOUND", "1", "-j", "RETURN"]);
    inNamespace(["iptables", "--wait", "-t", "nat", "-D", "OUTPUT", "-j", "ISTIO_OUTPUT"]);
    expect(capture(["apply"]).status).toBe(0);
    expect(rules()).toBe(wanted);
    inNamespace(["iptables", "--wait", "-t", "nat", "-A", "POSTROUTING", "-d", "192.0.2.9", "-j", "MASQUERADE"]);
    expect(capture(["apply", "-b", "8080"]).status).toBe(0);
    expect(rules()).toContain("192.0.2.9");
    expect(rules()).not.toContain("--dport 15090");
  });

  it("replaces the rules of other options as a whole", () => {
    capture(["apply", "-o", "25", "-c", "eth1", "--drop-invalid"]);
    expect(rules()).toContain("--ctstate INVALID");
    capture(["apply"]);
    expect(rules()).not.toMatch(/--dport 25 |eth1|INVALID/);
  });

  it("removes what is its own and nothing else", () => {
    inNamespace(["iptables", "--wait", "-t", "nat", "-A", "OUTPUT", "-d", "192.0.2.9", "-j", "ACCEPT"]);
    inNamespace(["ip6tables", "--wait", "-t", "nat", "-A", "OUTPUT", "-d", "2001:db8::9", "-j", "ACCEPT"]);
    const before = { ipv4: rules(), ipv6: rules("ip6tables-save") };
    capture(["apply"]);
    expect(capture(["remove"])).toMatchObject({ status: 0, stderr: "" });
    expect({ ipv4: rules(), ipv6: rules("ip6tables-save") }).toEqual(before);
    expect(capture(["remove"]).status).toBe(0);
  });

  it("gives the loopback interface the address ::6", () => {
    capture(["apply"]);
    expect(inNamespace(["ip", "-6", "addr", "show", "dev", "lo"]).stdout).toContain("inet6 ::6/128");
  });

  it("makes no IPv6 rules where the namespace has no IPv6", () => {
    inNamespace(["sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1"]);
    expect(capture(["apply"])).toMatchObject({ status: 0 });
    expect(rules("ip6tables-save")).not.toContain("ISTIO");
  });

  it("says which capability is missing, and changes nothing", () => {
    const outcome = capture(["apply"], ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("lacks the capability NET_ADMIN");
    expect(outcome.stderr).toContain("istio-init");
    expect(rules()).not.toContain("ISTIO");
  });

  it("says who must be root", () => {
    const outcome = capture(["apply"], AS_USER_1337);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("runs as user 1337 and must be root");
  });

  it("names the package, where PATH has no iptables", () => {
    const empty = mkdtempSync(join(tmpdir(), "entente-path-"));
    try {
      const env = `PATH=${empty}`;
      const outcome = capture(["apply"], ["env", env]);
      expect(outcome.status).toBe(1);
      expect(outcome.stderr).toContain("install the package iptables");
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it("refuses a wrong value with status 1 and the value named", () => {
    const outcome = capture(["apply", "-o", "http"]);
    expect(outcome.status).not.toBe(0);
    expect(outcome.stderr).toContain('"http" is not a port');
    expect(rules()).not.toContain("ISTIO");
  });
});
