import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import { type EnforcedPolicies, isOutdated, type PolicyDecisions } from "./enforced-policies.ts";
import type {
  AppliedPolicy,
  AppliedRule,
  AppliedTokenRule,
  PlaintextAccess,
  PodAuthorization,
  PolicyScope,
} from "./pod-authorization.ts";

/** The policies of a pod in the order of evaluation, and what else decides who may do what. */
export function formatPodAuthorization(
  authorization: PodAuthorization,
  enforced: EnforcedPolicies | undefined,
  palette: Palette,
): string {
  const { pod, workload, proxy, tokens, pathNormalization, plaintext } = authorization;
  if (proxy === "none") {
    return `${palette.strong(pod)}\n  ${palette.warning("The pod has no sidecar: no policy is enforced for it.")}\n`;
  }
  const facts = formatTable([
    ["Workload:", workload],
    ["Proxy:", proxy],
    [
      "Plaintext:",
      plaintext === undefined ? "accepted: a gateway serves clients outside the mesh" : formatPlaintext(plaintext),
    ],
    [
      "Tokens:",
      tokens.length === 0 ? "not verified: no RequestAuthentication applies" : tokens.map(formatToken).join("; "),
    ],
    ["Path normalization:", pathNormalization],
    ...(enforced === undefined ? [] : [["In force:", formatEnforced(enforced, palette)]]),
  ]);
  return `${palette.strong(pod)}\n${indent(facts)}\n${formatPolicies(authorization, enforced, palette)}${describeDefault(authorization)}\n${describeTerms(authorization.policies)}`;
}

function formatEnforced(enforced: EnforcedPolicies, palette: Palette): string {
  if (enforced.kind === "unknown") return printable(`not known: ${enforced.reason}`);
  const { missing, surplus } = enforced;
  if (!isOutdated(enforced)) return "as the configuration demands";
  const faults = [
    ...(missing.length === 0 ? [] : [`the proxy lacks ${missing.join(", ")}`]),
    ...(surplus.length === 0 ? [] : [`it still has ${surplus.join(", ")}`]),
  ];
  return palette.bad(printable(`${faults.join("; ")}: entente proxy-status shows whether it is connected`));
}

function formatPolicies(
  { policies }: PodAuthorization,
  enforced: EnforcedPolicies | undefined,
  palette: Palette,
): string {
  if (policies.length === 0) return "";
  const decisions = enforced?.kind === "compared" ? enforced.decisions : undefined;
  const decided = decisions === undefined ? [] : ["DECIDED"];
  const header = ["ACTION", "POLICY", "SCOPE", ...decided, "RULE", "ON TCP PORTS", "MATCHES"];
  const rows = policies.flatMap((policy) => rowsOfPolicy(policy, decisions));
  return `${formatTable([header.map(palette.strong), ...rows])}\n`;
}

function rowsOfPolicy(
  policy: AppliedPolicy,
  decisions: readonly PolicyDecisions[] | undefined,
): readonly (readonly string[])[] {
  const { policy: title, action, provider, isDryRun, scope, rules } = policy;
  const mark = provider === undefined ? "" : ` ${printable(provider)}`;
  const decided = decisions === undefined ? [] : [formatDecisions(policy, decisions)];
  const head = [`${action}${mark}${isDryRun ? " (dry run)" : ""}`, title, formatScope(scope), ...decided];
  if (rules.length === 0) return [[...head, "-", "-", "nothing: there are no rules"]];
  return rules.map((rule, index) => [...(index === 0 ? head : head.map(() => "")), ...cellsOfRule(rule)]);
}

function formatDecisions({ namespace, name }: AppliedPolicy, decisions: readonly PolicyDecisions[]): string {
  const found = decisions.find(({ policy }) => policy === `${namespace}/${name}`);
  return found === undefined ? "-" : `${found.allowed} allowed, ${found.denied} denied`;
}

function cellsOfRule({ index, text, onStreams }: AppliedRule): readonly string[] {
  return [String(index), onStreams, text];
}

/** What the action CUSTOM and the column for TCP ports mean, as far as they are used. */
function describeTerms(policies: readonly AppliedPolicy[]): string {
  const used = new Set(policies.flatMap(({ rules }) => rules.map(({ onStreams }) => onStreams)));
  const hasCustom = policies.some(({ action }) => action === "CUSTOM");
  return [
    ...(hasCustom ? ["CUSTOM: no provider is asked, since none is supported: what a rule matches is denied.\n"] : []),
    ...(used.has("dropped") ? ["dropped: the rule needs HTTP, and allows nothing on ports of other protocols.\n"] : []),
    ...(used.has("wider")
      ? ["wider: on ports of other protocols the rule matches without its conditions of HTTP.\n"]
      : []),
  ].join("");
}

/** In one phrase: `selector app=web`. */
export function formatScope({ kind, labels = {}, isStandIn }: PolicyScope): string {
  const invalid = isStandIn ? ", invalid: everything is denied" : "";
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return printable(`${[kind, ...pairs].join(" ")}${invalid}`);
}

function describeDefault({ policies, byDefault, plaintext }: PodAuthorization): string {
  if (policies.length === 0) {
    return `No AuthorizationPolicy applies: everything is allowed${plaintext === undefined ? "" : whomItAdmits(plaintext)}.`;
  }
  return byDefault === "denied"
    ? "What no rule of a policy with the action ALLOW matches is denied."
    : "No policy with the action ALLOW is in force: what is not denied is allowed.";
}

function whomItAdmits({ mode, rule, exceptions }: PlaintextAccess): string {
  const ports = exceptions.map((port) => `, on port ${port.port} by ${port.mode} (${port.rule})`).join("");
  return mode === "STRICT"
    ? ` to every workload of the mesh by STRICT (${rule})${ports}`
    : `, also to clients without an identity by ${mode} (${rule})${ports}`;
}

function formatPlaintext({ mode, rule, exceptions }: PlaintextAccess): string {
  const all = [`${verbOf(mode)} by ${mode} (${rule})`];
  return [
    ...all,
    ...exceptions.map((port) => `port ${port.port} ${verbOf(port.mode)} by ${port.mode} (${port.rule})`),
  ].join("; ");
}

function verbOf(mode: PlaintextAccess["mode"]): string {
  return mode === "STRICT" ? "refused" : "accepted";
}

function formatToken({ rule, issuer, audiences }: AppliedTokenRule): string {
  const wanted = audiences.length === 0 ? "" : ` for ${audiences.join(" or ")}`;
  return printable(`${rule}: issuer ${issuer}${wanted}`);
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
