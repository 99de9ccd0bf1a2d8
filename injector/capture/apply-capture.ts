import type { Logger } from "../../mesh/runtime.ts";
import type { CaptureArgs } from "./capture-args.ts";
import { CaptureError } from "./capture-error.ts";
import type { CaptureSystem, CommandResult } from "./capture-system.ts";
import { diagnoseFailure, parsePrivileges } from "./diagnose-failure.ts";
import type { IpFamily } from "./ip-range.ts";
import { type CaptureTable, captureTables } from "./iptables-rules.ts";
import { planCapture } from "./iptables-state.ts";

export interface CaptureDeps {
  readonly system: CaptureSystem;
  readonly log: Logger;
}

/** What changed in one IP family's rules, and by which iptables program. */
export interface CaptureReport {
  readonly family: IpFamily;
  readonly backend: string;
  readonly changed: boolean;
}

/** The distribution's default first, then both variants by name: a kernel may support only one of them. */
const BACKENDS = ["", "-nft", "-legacy"] as const;
const LOCK_WAIT_SECONDS = "30";

/**
 * Applies the capture rules and reads them back. Each family's tables change in one transaction, so capture is never
 * half active. On any failure it throws, the init container fails, and the pod does not start. Rules that were applied
 * before the failure stay: captured traffic without a proxy goes nowhere, which is safe.
 * @throws CaptureError
 */
export async function applyCapture(args: CaptureArgs, deps: CaptureDeps): Promise<readonly CaptureReport[]> {
  const reports = [await changeFamily("ipv4", captureTables(args.options, "ipv4"), deps)];
  if (args.ipv6 === "on" || (args.ipv6 === "auto" && (await hasIpv6(deps.system)))) {
    await addInboundSource(deps.system);
    reports.push(await changeFamily("ipv6", captureTables(args.options, "ipv6"), deps));
  }
  for (const report of reports) deps.log.info({ ...report }, "the capture rules are in force");
  return reports;
}

/** Removes our chains from every installed back end; other rules stay. */
export async function removeCapture(deps: CaptureDeps): Promise<readonly CaptureReport[]> {
  const families: readonly IpFamily[] = (await hasIpv6(deps.system)) ? ["ipv4", "ipv6"] : ["ipv4"];
  const reports: CaptureReport[] = [];
  for (const family of families) {
    for (const backend of BACKENDS) {
      const report = await changeWith({ family, backend, wanted: [], deps });
      if (report.kind === "done") reports.push(report.report);
      if (report.kind === "failed" && report.error.code !== "kernel_module_missing") throw report.error;
    }
  }
  if (reports.length === 0) throw iptablesMissing("ipv4");
  return reports;
}

async function changeFamily(
  family: IpFamily,
  wanted: readonly CaptureTable[],
  deps: CaptureDeps,
): Promise<CaptureReport> {
  let failure: CaptureError | undefined;
  for (const backend of BACKENDS) {
    const outcome = await changeWith({ family, backend, wanted, deps });
    if (outcome.kind === "done") return outcome.report;
    if (outcome.kind === "not_found") continue;
    // Another back end may support what this kernel cannot do with the first one. No other failure is worth a second
    // attempt.
    if (outcome.error.code !== "kernel_module_missing") throw outcome.error;
    deps.log.warn({ family, backend: programOf(family, backend), code: outcome.error.code }, outcome.error.message);
    failure ??= outcome.error;
  }
  throw failure ?? iptablesMissing(family);
}

interface Change {
  readonly family: IpFamily;
  readonly backend: (typeof BACKENDS)[number];
  readonly wanted: readonly CaptureTable[];
  readonly deps: CaptureDeps;
}

type ChangeOutcome =
  | { readonly kind: "done"; readonly report: CaptureReport }
  | { readonly kind: "not_found" }
  | { readonly kind: "failed"; readonly error: CaptureError };

async function changeWith(change: Change): Promise<ChangeOutcome> {
  const { family, backend, wanted } = change;
  const program = programOf(family, backend);
  const before = await save(change);
  if (before.kind !== "saved") return before;
  const plan = planCapture(wanted, before.text);
  if (plan.kind === "in_force") return { kind: "done", report: { family, backend: program, changed: false } };
  const restored = await runTool(change, [`${program}-restore`, "--noflush", "--wait", LOCK_WAIT_SECONDS], plan.text);
  if (restored.kind !== "succeeded") return restored;
  const after = await save(change);
  if (after.kind !== "saved") return after;
  const rest = planCapture(wanted, after.text);
  if (rest.kind === "in_force") return { kind: "done", report: { family, backend: program, changed: true } };
  throw new CaptureError(
    "capture_not_in_force",
    `${program}-restore accepted the rules, but ${rest.reason} when ${program}-save reads them back; another program on this machine changes iptables`,
  );
}

async function save(
  change: Change,
): Promise<{ readonly kind: "saved"; readonly text: string } | Exclude<ChangeOutcome, { kind: "done" }>> {
  const result = await runTool(change, [`${programOf(change.family, change.backend)}-save`], "");
  return result.kind === "succeeded" ? { kind: "saved", text: result.stdout } : result;
}

async function runTool(
  { family, deps }: Change,
  [command = "", ...args]: readonly string[],
  rules: string,
): Promise<{ readonly kind: "succeeded"; readonly stdout: string } | Exclude<ChangeOutcome, { kind: "done" }>> {
  const result = await deps.system.run(command, args, rules);
  if (result.kind === "not_found") return result;
  if (result.status === 0) return { kind: "succeeded", stdout: result.stdout };
  return { kind: "failed", error: await diagnose({ command, family, rules, result }, deps.system) };
}

interface FailedCommand {
  readonly command: string;
  readonly family: IpFamily;
  readonly rules: string;
  readonly result: Extract<CommandResult, { kind: "exited" }>;
}

async function diagnose(
  { command, family, rules, result }: FailedCommand,
  system: CaptureSystem,
): Promise<CaptureError> {
  const privileges = parsePrivileges((await system.readText("/proc/self/status")) ?? "");
  return diagnoseFailure({ command, family, rules, privileges, status: result.status, stderr: result.stderr });
}

/** Linux lists every IPv6 address in this file; it is absent or empty if IPv6 is off. */
const IPV6_ADDRESSES = "/proc/net/if_inet6";
const INBOUND_SOURCE_HEX = `${"0".repeat(31)}6`;

async function hasIpv6(system: CaptureSystem): Promise<boolean> {
  return ((await system.readText(IPV6_ADDRESSES)) ?? "").trim() !== "";
}

/** Unlike 127.0.0.6, which belongs to the loopback network, ::6 must first be added to the loopback interface. */
async function addInboundSource(system: CaptureSystem): Promise<void> {
  if (((await system.readText(IPV6_ADDRESSES)) ?? "").includes(INBOUND_SOURCE_HEX)) return;
  const result = await system.run("ip", ["-6", "addr", "add", "::6/128", "dev", "lo"]);
  if (result.kind === "not_found") {
    throw new CaptureError("iproute2_missing", "the program ip is not on PATH; install the package iproute2");
  }
  if (result.status === 0) return;
  throw await diagnose({ command: "ip -6 addr add", family: "ipv6", rules: "", result }, system);
}

function programOf(family: IpFamily, backend: (typeof BACKENDS)[number]): string {
  return `${family === "ipv4" ? "iptables" : "ip6tables"}${backend}`;
}

function iptablesMissing(family: IpFamily): CaptureError {
  const program = programOf(family, "");
  return new CaptureError(
    "iptables_missing",
    `${program}-save and ${program}-restore are not on PATH; install the package iptables`,
  );
}
