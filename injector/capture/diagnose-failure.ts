import { CaptureError } from "./capture-error.ts";
import type { IpFamily } from "./ip-range.ts";

/** The output of a failed program, and the privileges of the process. */
export interface Failure {
  readonly command: string;
  readonly family: IpFamily;
  readonly status: number;
  readonly stderr: string;
  /** The transaction that was the program's input; empty for a command that only reads. */
  readonly rules: string;
  readonly privileges: Privileges;
}

/** The privileges of this process, from /proc/self/status; undefined if that cannot be read. */
export interface Privileges {
  readonly uid: number | undefined;
  readonly hasNetAdmin: boolean | undefined;
}

const CAP_NET_ADMIN = 12n;

/** Parses the effective user and capabilities from the text of /proc/self/status. */
export function parsePrivileges(status: string): Privileges {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  const effective = /^CapEff:\s+([0-9a-fA-F]+)/m.exec(status)?.[1];
  return {
    uid: uid === undefined ? undefined : Number(uid),
    hasNetAdmin: effective === undefined ? undefined : ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n,
  };
}

/** Turns an error of iptables into one that names the fix: the privilege to grant, or the kernel module to load. */
export function diagnoseFailure(failure: Failure): CaptureError {
  const { uid, hasNetAdmin } = failure.privileges;
  const output = `${failure.command} failed with status ${failure.status}: ${firstLines(failure.stderr)}`;
  const isDenied = /permission denied|operation not permitted|you must be root/i.test(failure.stderr);
  // The legacy back end hides the reason if it may not open a table, so the capability is checked separately.
  if (isDenied || hasNetAdmin === false) return notPermitted(uid, hasNetAdmin, output);
  const module = missingModule(failure);
  if (module !== undefined) {
    return new CaptureError(
      "kernel_module_missing",
      `the node's kernel lacks ${module}; load it on the node (modprobe ${module}) or build it in. ${output}`,
      { details: { module } },
    );
  }
  return new CaptureError("iptables_failed", output, { details: { status: failure.status } });
}

function notPermitted(uid: number | undefined, hasNetAdmin: boolean | undefined, output: string): CaptureError {
  const fix =
    uid !== undefined && uid !== 0
      ? `the process runs as user ${uid} and must be root; set securityContext.runAsUser: 0 on the container istio-init`
      : "the process lacks the capability NET_ADMIN; add NET_ADMIN and NET_RAW to securityContext.capabilities.add of the container istio-init, and let the namespace's pod security admission allow them";
  return new CaptureError("not_permitted", `${fix}. ${output}`, { details: { uid, hasNetAdmin } });
}

function missingModule(failure: Failure): string | undefined {
  const { stderr, family } = failure;
  const extension = /extension (\S+) revision \d+ not supported, missing kernel module/i.exec(stderr)?.[1];
  if (extension !== undefined) return moduleOfExtension(extension);
  const table = /(?:can't initialize \S+ table `|unable to initialize table ')(\w+)'/i.exec(stderr)?.[1];
  if (table !== undefined) return `${family === "ipv4" ? "iptable" : "ip6table"}_${table}`;
  if (/do you need to insmod/i.test(stderr)) return family === "ipv4" ? "iptable_nat" : "ip6table_nat";
  if (/failed to initialize nft/i.test(stderr)) return "nf_tables";
  if (/(?:TABLE|CHAIN)_\w+ failed \((?:No such file|Operation not supported|Protocol not)/i.test(stderr))
    return "nft_chain_nat";
  const line = /line:? (\d+)/i.exec(stderr)?.[1];
  const isUnknown =
    /no chain\/target\/match by that name|RULE_\w+ failed \((?:No such file|Operation not supported)/i.test(stderr);
  return isUnknown ? moduleOfRule(failure.rules.split("\n")[Number(line ?? 0) - 1] ?? failure.rules) : undefined;
}

function moduleOfRule(rule: string): string {
  const extension = /-m (owner|conntrack)/.exec(rule)?.[1] ?? /-j (REDIRECT)/.exec(rule)?.[1];
  return moduleOfExtension(extension ?? "REDIRECT");
}

function moduleOfExtension(name: string): string {
  return name === "tcp" || name === "udp" ? "xt_tcpudp" : `xt_${name}`;
}

function firstLines(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("Try "));
  return lines.slice(0, 3).join("; ") || "no message";
}
