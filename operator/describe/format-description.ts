import type { Finding } from "../analysis/finding.ts";
import { formatFinding } from "../analysis/format-findings.ts";
import type { PodAuthorization } from "../authorization/pod-authorization.ts";
import type { ServiceAuthorization } from "../authorization/service-authorization.ts";
import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import { formatTlsTable } from "../tls/format-tls-table.ts";
import type { PodDescription, PodState, ProxyDescription } from "./pod-description.ts";
import type { ModeDescription, PodPortDescription } from "./port-description.ts";
import type { RouteDescription } from "./route-description.ts";
import type { ServiceDescription } from "./service-description.ts";

/** A pod: what it is, how its ports are served, and the services that lead to it. */
export function formatPodDescription(
  description: PodDescription,
  findings: readonly Finding[],
  palette: Palette,
): string {
  const { pod, workload, state, identities, proxy, defaultMode, ports, authorization, services } = description;
  const facts = formatTable([
    ["Workload:", workload],
    ["State:", formatState(state)],
    ["Identity:", identities.join(", ")],
    ["Proxy:", formatProxy(proxy)],
    [
      "Peer authentication:",
      proxy.kind === "sidecar" ? formatMode(defaultMode) : "none: no sidecar decides who may connect",
    ],
    ["Authorization:", formatAuthorization(authorization)],
  ]);
  const inbound = ports.length === 0 || proxy.kind !== "sidecar" ? "" : `\nPorts:\n${indent(formatPorts(ports))}`;
  const related = services.map((service) => `\n${formatService(service, palette)}`).join("");
  const none = services.length === 0 ? "\nNo Service leads to this pod.\n" : "";
  return `${palette.strong(pod)}\n${indent(facts)}${inbound}${related}${none}${formatRelated(findings, palette)}`;
}

/** A service: its ports and endpoints, the rules of its clients, and the routes to it. */
export function formatServiceDescription(
  description: ServiceDescription,
  findings: readonly Finding[],
  palette: Palette,
): string {
  return `${formatService(description, palette)}${formatRelated(findings, palette)}`;
}

function formatState(state: PodState): string {
  if (state.kind === "expected") return "not created yet: as its manifest would create it";
  return `${state.phase}, ${state.isReady ? "ready" : "not ready"}`;
}

function formatProxy(proxy: ProxyDescription): string {
  if (proxy.kind === "none") return `none: ${proxy.reason}`;
  const image = printable(proxy.image);
  return `${proxy.kind}${proxy.isNative ? " (native)" : ""}, version ${printable(proxy.version)}, image ${image}`;
}

/** `STRICT by A; also considered: B (namespace), C (mesh)`. */
function formatMode({ mode, rule, candidates }: ModeDescription): string {
  const decided = candidates.findIndex((candidate) => candidate.mode !== "UNSET");
  const inherited = candidates
    .slice(0, decided)
    .map((candidate) => `${candidate.rule} (${candidate.level}) leaves it open`);
  const level = candidates[decided]?.level ?? "default";
  const hidden = candidates
    .slice(decided + 1)
    .filter((candidate) => candidate.level !== "default")
    .map((candidate) => `${candidate.rule} (${candidate.level}, ${candidate.mode}) is overridden`);
  const source = level === "default" ? "by default" : `by ${rule} (${level})`;
  return [`${mode} ${source}`, ...inherited, ...hidden].join("; ");
}

function formatPorts(ports: readonly PodPortDescription[]): string {
  return formatTable([
    ["PORT", "PROTOCOL", "PEER AUTHENTICATION", "WHY THE PROTOCOL"],
    ...ports.map(({ port, name, protocol, mode }) => [
      name === undefined ? String(port) : `${port} (${name})`,
      protocol.protocol,
      formatMode(mode),
      protocol.reason,
    ]),
  ]);
}

function formatService(service: ServiceDescription, palette: Palette): string {
  const { destinationRules, routes, tls, ports, authorization } = service;
  const endpoints = formatTable([
    ["PORT", "TARGET", "PROTOCOL", "ENDPOINTS", "WHY THE PROTOCOL"],
    ...ports.map(({ port, name, targetPort, protocol, endpoints }) => [
      name === undefined ? String(port) : `${port} (${name})`,
      String(targetPort),
      protocol.protocol,
      formatEndpoints(endpoints),
      protocol.reason,
    ]),
  ]);
  const rules = destinationRules.map(
    ({ rule, host, isUsed, subsets }) =>
      `${rule} for "${host}": ${isUsed ? "decides TLS" : "does not decide TLS for any client"}` +
      `${subsets.length === 0 ? "" : `; subsets ${printable(subsets.join(", "))}`}\n`,
  );
  return (
    `${palette.strong(service.service)} (${service.host})\n${indent(endpoints)}` +
    section("Clients", tls.length === 0 ? "" : formatTlsTable(tls, palette, { hasClients: true })) +
    section("DestinationRules", rules.join("")) +
    section("VirtualServices", routes.map(formatRoute).join("")) +
    section("AuthorizationPolicies", authorization.map(formatServicePolicy).join(""))
  );
}

function formatEndpoints(endpoints: ServiceDescription["ports"][number]["endpoints"]): string {
  if (endpoints.length === 0) return "none";
  const meshed = endpoints.filter(({ hasSidecar }) => hasSidecar).length;
  return `${endpoints.length}, ${meshed} with a sidecar`;
}

function formatRoute({ rule, hosts, gateways, routes, isUsedBySidecars }: RouteDescription): string {
  const leads = routes.length === 0 ? "" : `; routes ${routes.map((index) => `http[${index}]`).join(", ")} lead here`;
  const used = isUsedBySidecars === false ? "; sidecars use another VirtualService" : "";
  return `${rule} for ${hosts.join(", ")} by ${printable(gateways.join(", "))}${leads}${used}\n`;
}

/** `DENY by A, ALLOW by B; …`. */
function formatAuthorization({ proxy, policies, byDefault }: PodAuthorization): string {
  if (proxy === "none") return "none: no sidecar enforces policies";
  if (policies.length === 0) return "no AuthorizationPolicy applies: everything is allowed";
  const names = policies.map(({ action, policy, isDryRun }) => `${action}${isDryRun ? " (dry run)" : ""} by ${policy}`);
  return `${names.join(", ")}; what no rule matches is ${byDefault} (entente authz check shows the rules)`;
}

function formatServicePolicy({ policy, action, isDryRun, pods, allPods }: ServiceAuthorization): string {
  const part = pods === allPods ? "all" : `${pods} of ${allPods}`;
  return `${action}${isDryRun ? " (dry run)" : ""} by ${policy}, for ${part} of its pods\n`;
}

function formatRelated(findings: readonly Finding[], palette: Palette): string {
  return findings.length === 0 ? "" : `\n${findings.map((finding) => `${formatFinding(finding, palette)}\n`).join("")}`;
}

function section(title: string, text: string): string {
  return text === "" ? "" : `  ${title}:\n${indent(indent(text))}`;
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
