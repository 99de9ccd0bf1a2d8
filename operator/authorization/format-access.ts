import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import type { AccessExplanation, AccessVerdict, WorkloadAccess } from "./access.ts";
import { formatActualValue } from "./verdicts/actual-value.ts";
import type { NearestRule } from "./verdicts/nearest-rule.ts";
import {
  type DryRunVerdict,
  type PolicyVerdict,
  type RuleReference,
  titleOfPolicy,
} from "./verdicts/policy-verdict.ts";
import { formatCondition } from "./verdicts/rule-text.ts";

/** Who asks whom for what, and for each workload the verdict with its reasons. */
export function formatAccess(explanation: AccessExplanation, palette: Palette): string {
  const { client, identity, target, port, request, refused, workloads, notes } = explanation;
  const isRequest = workloads.some(({ judgedAs }) => judgedAs === "request");
  const facts = formatTable([
    ["Client:", client === identity || identity === undefined ? client : `${client}, ${identity}`],
    ["Target:", `${target}, port ${port}`],
    ...(isRequest ? [["Request:", printable(`${request.method} ${request.path}, host ${request.authority}`)]] : []),
  ]);
  const failed =
    refused === undefined
      ? ""
      : `\n${palette.bad("DENIED")}\n  The client's own sidecar does not connect: ${printable(refused)}\n`;
  const sections = workloads.map((workload) => `\n${formatWorkload(workload, request.path, palette)}`);
  return `${facts}${failed}${sections.join("")}${notes.length === 0 ? "" : `\n${formatNotes(notes, palette)}`}`;
}

function formatWorkload(access: WorkloadAccess, requested: string, palette: Palette): string {
  const { workload, pods, port, protocol, judgedAs, verdict, path, isAudited, dryRun, notes } = access;
  const mark = verdict.kind === "allowed" ? palette.good("ALLOWED") : palette.bad("DENIED");
  const count = pods.length > 1 ? ` (${pods.length} pods)` : "";
  const lines = [
    `${describeArrival(access)}`,
    `Judged as a ${judgedAs} on the pod's port ${port}, which is ${protocol}.`,
    ...(path === undefined || path === requested ? [] : [`Policies compare the normalized path ${printable(path)}.`]),
    ...explainVerdict(verdict, judgedAs),
    ...(isAudited ? ["A policy with the action AUDIT logs it."] : []),
    ...dryRun.map(describeDryRun),
  ];
  const isJudged = verdict.by !== "tls" && verdict.by !== "no-proxy";
  const shown = isJudged ? lines : lines.filter((_, index) => index !== 1);
  return `${mark} ${palette.strong(workload)}${count}\n${indent(shown)}${indent([formatNotes(notes, palette)].filter(Boolean))}`;
}

function describeArrival({ client, clientRule, server, serverRule }: WorkloadAccess): string {
  const sent = client === "ISTIO_MUTUAL" ? "mutual TLS" : "plaintext";
  return `The client sends ${sent} (${clientRule}); the server's mode is ${server} (${serverRule}).`;
}

/** One line for each fact. */
function explainVerdict(verdict: AccessVerdict, judgedAs: WorkloadAccess["judgedAs"]): readonly string[] {
  if (verdict.kind === "allowed") return [explainAllowed(verdict)];
  switch (verdict.by) {
    case "tls":
      return [`The connection fails before any policy is asked: ${printable(verdict.reason)}.`];
    case "request":
      return [`The request is refused, whatever the policies say: ${printable(verdict.reason)}.`];
    case "token":
      return [`The token is refused, whatever the policies say: ${printable(verdict.reason)}.`];
    case "rule":
      return [
        `Denied by ${formatReference(verdict.rule)}. ${effectOf(judgedAs)}`,
        ...remarksOn(verdict.rule),
        ...explainOtherwise(verdict.otherwise),
      ];
    case "no-rule":
      return [...explainNoRule(verdict), effectOf(judgedAs)];
  }
}

function remarksOn({ action, isWider }: RuleReference): readonly string[] {
  return [
    ...(action === "CUSTOM" ? ["No provider is asked, since none is supported: what the rule matches is denied."] : []),
    ...(isWider ? ["A stream has no request, so this rule matches without its conditions of HTTP."] : []),
  ];
}

function explainAllowed(verdict: Extract<AccessVerdict, { kind: "allowed" }>): string {
  switch (verdict.by) {
    case "no-proxy":
      return "Nothing judges it: there is no sidecar.";
    case "no-policy":
      return "No AuthorizationPolicy applies: everything is allowed.";
    case "no-allow-policy":
      return "No policy denies it, and no policy with the action ALLOW applies: what is not denied is allowed.";
    case "rule":
      return `Allowed by ${formatReference(verdict.rule)}.`;
  }
}

/** What the policies that allow make of it, if none denies. */
function explainOtherwise(otherwise: PolicyVerdict): readonly string[] {
  const start = "Without the policies that deny, it would be";
  if (otherwise.by === "no-rule") return [`${start} denied, too.`, ...explainNoRule(otherwise)];
  return otherwise.by === "rule"
    ? [`${start} allowed by ${formatReference(otherwise.rule)}.`]
    : [`${start} allowed: no policy with the action ALLOW applies.`];
}

function explainNoRule({ policies, nearest }: Extract<AccessVerdict, { by: "no-rule" }>): readonly string[] {
  const names = policies.length === 1 ? "the policy" : "the policies";
  const tried = `No rule of ${names} with the action ALLOW matches: ${policies.join(", ")}.`;
  if (nearest === undefined) return [tried, "They have no rules, so nothing is allowed."];
  return [
    tried,
    `The nearest is ${titleOfPolicy(nearest)} rule ${nearest.rule}, which would allow it, but:`,
    ...differencesOf(nearest),
  ];
}

function differencesOf({ differences }: NearestRule): readonly string[] {
  return differences.map(
    ({ condition, actual }) =>
      `  it requires ${formatCondition(condition)}; ${formatActualValue(condition.key, actual)}`,
  );
}

function effectOf(judgedAs: WorkloadAccess["judgedAs"]): string {
  return judgedAs === "request"
    ? "The client receives status 403, RBAC: access denied (gRPC: status 7)."
    : "The connection is closed.";
}

function describeDryRun({ action, rule }: DryRunVerdict): string {
  const verb = action === "DENY" ? "deny" : "allow";
  const by = rule === undefined ? `no policy with the action ${action}` : formatReference(rule);
  return `Dry run: ${by} would ${verb} it.`;
}

function formatReference({ policy, rule, action, text }: RuleReference): string {
  return `${policy} rule ${rule} (${action}: ${text})`;
}

function formatNotes(notes: readonly string[], palette: Palette): string {
  return notes.map((note) => `${palette.warning("Note:")} ${printable(note)}.`).join("\n");
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `${line.replaceAll(/^(?=.)/gm, "  ")}\n`).join("");
}
