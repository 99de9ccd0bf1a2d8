/** The verdict as the documentation describes it, rule by rule and value by value. For tests only. */
import { BlockList, isIP } from "node:net";
import type {
  AuthorizationAction,
  AuthorizationAttributes,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
  AuthorizationVerdict,
} from "./authorization.ts";

/** What the attributes have under a key: texts of which one must match. `unknown`: there is no such key. */
type Found =
  | { readonly kind: "connection" | "request"; readonly texts: readonly string[] }
  | { readonly kind: "unknown" };

export function decideByReference(
  policies: readonly AuthorizationPolicyRules[],
  attributes: AuthorizationAttributes,
): AuthorizationVerdict {
  const idsOf = (action: AuthorizationAction, isDryRun: boolean): readonly string[] | undefined => {
    const ofAction = policies.filter((policy) => policy.action === action && policy.isDryRun === isDryRun);
    const ids = ofAction.flatMap((policy) => matchingIds(policy, attributes));
    return ofAction.length === 0 ? undefined : ids.sort();
  };
  const dryAllow = idsOf("ALLOW", true);
  const dryDeny = idsOf("DENY", true);
  const dryRun = {
    ...(dryAllow && { allow: outcome(dryAllow[0], "allowed", "denied") }),
    ...(dryDeny && { deny: outcome(dryDeny[0], "denied", "allowed") }),
  };
  const custom = idsOf("CUSTOM", false)?.[0];
  if (custom !== undefined) return { kind: "denied", ruleId: custom, isAudited: false, dryRun };
  const isAudited = idsOf("AUDIT", false)?.[0] !== undefined;
  const denied = idsOf("DENY", false)?.[0];
  if (denied !== undefined) return { kind: "denied", ruleId: denied, isAudited, dryRun };
  const allowed = idsOf("ALLOW", false);
  const kind = allowed === undefined || allowed.length > 0 ? "allowed" : "denied";
  return { kind, ruleId: allowed?.[0] ?? "none", isAudited, dryRun };
}

function outcome(id: string | undefined, matched: AuthorizationVerdict["kind"], other: AuthorizationVerdict["kind"]) {
  return { result: id === undefined ? other : matched, ruleId: id ?? "none" };
}

function matchingIds(policy: AuthorizationPolicyRules, attributes: AuthorizationAttributes): readonly string[] {
  return policy.rules.flatMap((rule, index) => {
    const id = `ns[${policy.namespace}]-policy[${policy.name}]-rule[${index}]`;
    const whole = `istio-ext-authz-${policy.provider}-${id}-deny-due-to-bad-CUSTOM-action`;
    return matchesRule(rule, policy.action, attributes) ? [policy.action === "CUSTOM" ? whole : id] : [];
  });
}

function matchesRule(
  { from, to, when }: AuthorizationRule,
  action: AuthorizationAction,
  attributes: AuthorizationAttributes,
): boolean {
  const all = [...from.flat(), ...to.flat(), ...when];
  if (action === "ALLOW" && all.some((condition) => !isUsable(condition, attributes))) return false;
  const holds = (clause: readonly AuthorizationCondition[]): boolean =>
    clause.every((condition) => !isUsable(condition, attributes) || matchesCondition(condition, attributes));
  return (from.length === 0 || from.some(holds)) && (to.length === 0 || to.some(holds)) && holds(when);
}

function isUsable({ key, values, notValues }: AuthorizationCondition, attributes: AuthorizationAttributes): boolean {
  const found = find(key, attributes);
  if (found.kind === "unknown" || (found.kind === "request" && attributes.request === undefined)) return false;
  const all = [...values, ...notValues];
  return all.length > 0 && all.every((value) => isUsableValue(key, value));
}

function isUsableValue(key: string, value: string): boolean {
  if (key.endsWith(".ip")) return isIP(value.split("/")[0] ?? "") !== 0 && Number(value.split("/")[1] ?? 0) <= 32;
  if (key === "destination.port") return String(Number(value)) === value && Number(value) < 65536;
  return key !== "request.path" || !value.includes("{") || !/\{\*\*\}.*\{|[^/]\{|\}[^/]/.test(value);
}

function matchesCondition(
  { key, values, notValues }: AuthorizationCondition,
  attributes: AuthorizationAttributes,
): boolean {
  const found = find(key, attributes);
  const texts = found.kind === "unknown" ? [] : found.texts;
  const isAny = (list: readonly string[]): boolean =>
    list.some((value) => texts.some((text) => matchesText(key, value, text)));
  return (values.length === 0 || isAny(values)) && !isAny(notValues);
}

function find(key: string, { connection, request }: AuthorizationAttributes): Found {
  const { peer, sourceIp, remoteIp, destinationIp, destinationPort, sni } = connection;
  const [, trustDomain = "", namespace = "", account = ""] =
    /^spiffe:\/\/(.*)\/ns\/(.*)\/sa\/(.*)$/.exec(peer ?? "") ?? [];
  const ofConnection = (...texts: readonly string[]): Found => ({ kind: "connection", texts });
  const ofPeer = (text: string): Found => ofConnection(...(peer === undefined ? [] : [text]));
  const ofRequest = (...texts: readonly (string | undefined)[]): Found => ({
    kind: "request",
    texts: texts.filter((text) => text !== undefined),
  });
  const [, header] = /^request\.headers\[(.+)\]$/.exec(key) ?? [];
  if (header !== undefined) return ofRequest(...(request?.headerLines(header.toLowerCase()) ?? []));
  switch (key) {
    case "source.principal":
      return ofPeer(peer?.slice("spiffe://".length) ?? "");
    case "source.namespace":
      return ofPeer(namespace);
    case "source.serviceAccount":
      return ofPeer(`${namespace}/${account}`);
    case "source.trustDomain":
      return ofPeer(trustDomain);
    case "source.ip":
      return ofConnection(sourceIp);
    case "remote.ip":
      return ofConnection(remoteIp);
    case "destination.ip":
      return ofConnection(destinationIp);
    case "destination.port":
      return ofConnection(String(destinationPort));
    case "connection.sni":
      return ofConnection(...(sni === undefined ? [] : [sni]));
    case "request.host":
      return ofRequest(request?.authority);
    case "request.method":
      return ofRequest(request?.method);
    case "request.path":
      return ofRequest(request?.path.split("?")[0]);
    case "request.auth.audiences":
      return ofRequest(...[request?.token?.claims["aud"]].flat().filter((text) => typeof text === "string"));
    default:
      return { kind: "unknown" };
  }
}

function matchesText(key: string, value: string, text: string): boolean {
  if (key.endsWith(".ip")) return isInBlock(value, text);
  if (key === "request.path" && value.includes("{")) return matchesTemplate(value, text);
  if (value === "*") return key.startsWith("request.headers") || text !== "";
  if (key === "request.host") return matchesText("", value.toLowerCase(), text.toLowerCase());
  if (key === "source.namespace") return toRegex(value, "*", ".*").test(text);
  if (value.startsWith("*")) return text.endsWith(value.slice(1));
  return value.endsWith("*") ? text.startsWith(value.slice(0, -1)) : text === value;
}

function isInBlock(value: string, text: string): boolean {
  const [network = "", length] = value.split("/");
  const list = new BlockList();
  list.addSubnet(network, Number(length ?? 32), "ipv4");
  return list.check(text);
}

function matchesTemplate(value: string, text: string): boolean {
  const [head = "", tail] = value.split("{**}");
  const source = `${toRegex(head, "{*}", "[a-zA-Z]+").source.slice(0, -1)}`;
  return new RegExp(
    tail === undefined ? `${source}$` : `${source}[a-zA-Z/]*${toRegex(tail, "{*}", "").source.slice(1)}`,
  ).test(text);
}

function toRegex(value: string, operator: string, replacement: string): RegExp {
  const literals = value.split(operator).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literals.join(replacement)}$`);
}
