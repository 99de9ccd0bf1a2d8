import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const NAMESPACE = `entente-test-${process.pid}`;

/** Another user that can still read a checkout in root's home directory. */
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

/** The rules as iptables prints them, without the lines that contain times and counters. */
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
    { name: "only the chains", args: ["-b", "", "-i", ""] },
  ])("applies the rules idempotently: $name", ({ args }) => {
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

  it("repairs its own rules after a change by another program, and leaves other rules alone", () => {
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

  it("replaces all rules when the options change", () => {
    capture(["apply", "-o", "25", "-c", "eth1", "--drop-invalid"]);
    expect(rules()).toContain("--ctstate INVALID");
    capture(["apply"]);
    expect(rules()).not.toMatch(/--dport 25 |eth1|INVALID/);
  });

  it("removes only its own rules", () => {
    inNamespace(["iptables", "--wait", "-t", "nat", "-A", "OUTPUT", "-d", "192.0.2.9", "-j", "ACCEPT"]);
    inNamespace(["ip6tables", "--wait", "-t", "nat", "-A", "OUTPUT", "-d", "2001:db8::9", "-j", "ACCEPT"]);
    const before = { ipv4: rules(), ipv6: rules("ip6tables-save") };
    capture(["apply"]);
    expect(capture(["remove"])).toMatchObject({ status: 0, stderr: "" });
    expect({ ipv4: rules(), ipv6: rules("ip6tables-save") }).toEqual(before);
    expect(capture(["remove"]).status).toBe(0);
  });

  it("adds the address ::6 to the loopback interface", () => {
    capture(["apply"]);
    expect(inNamespace(["ip", "-6", "addr", "show", "dev", "lo"]).stdout).toContain("inet6 ::6/128");
  });

  it("adds no IPv6 rules if the namespace has no IPv6", () => {
    inNamespace(["sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1"]);
    expect(capture(["apply"])).toMatchObject({ status: 0 });
    expect(rules("ip6tables-save")).not.toContain("ISTIO");
  });

  it("names the missing capability, and changes nothing", () => {
    const outcome = capture(["apply"], ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("lacks the capability NET_ADMIN");
    expect(outcome.stderr).toContain("istio-init");
    expect(rules()).not.toContain("ISTIO");
  });

  it("reports that the process must be root", () => {
    const outcome = capture(["apply"], AS_USER_1337);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("runs as user 1337 and must be root");
  });

  it("names the package to install if PATH has no iptables", () => {
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

  it("refuses an invalid value with status 1 and names the value", () => {
    const outcome = capture(["apply", "-o", "http"]);
    expect(outcome.status).not.toBe(0);
    expect(outcome.stderr).toContain('"http" is not a port');
    expect(rules()).not.toContain("ISTIO");
  });
});
