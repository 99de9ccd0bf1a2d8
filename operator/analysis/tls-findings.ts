import type { ResourceOrigin } from "../../mesh/resources/fields/metadata.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Service } from "../../mesh/resources/kinds/service.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import type { Configuration } from "../configuration/configuration.ts";
import type { TlsRow } from "../tls/tls-row.ts";
import { createTlsTable } from "../tls/tls-table.ts";
import { createFinding, type Finding } from "./finding.ts";

/**
 * Clients that send what the server does not accept. A rule that names the host is an error; one with a wildcard is a
 * warning, since perhaps no client calls that host. Hosts that a client refuses to dial are reported by the analysis of
 * rules.
 */
export function findTlsFindings({ set, settings }: Configuration): readonly Finding[] {
  const rules = describeRules(set);
  const found = new Map<string, Finding>();
  // Applications do not call the mesh's own services, and proxies reach them past their own rules.
  const isSelected = ({ metadata }: Service): boolean => metadata.namespace !== settings.rootNamespace;
  for (const row of createTlsTable({ set, settings }, { isSelected })) {
    if (row.status !== "CONFLICT" || row.subset !== "") continue;
    const finding = createConflict(row, rules.get(row.destinationRule));
    found.set(`${finding.resource} ${finding.message}`, finding);
  }
  return [...found.values()];
}

interface DescribedRule {
  readonly isWildcard: boolean;
  readonly origin: ResourceOrigin | undefined;
}

function describeRules(set: ResourceSet): ReadonlyMap<string, DescribedRule> {
  return new Map(
    [...set.destinationRules.values()].map((rule) => [
      formatResourceName(rule),
      { isWildcard: rule.spec.host.includes("*"), origin: rule.origin },
    ]),
  );
}

function createConflict(row: TlsRow, rule: DescribedRule | undefined): Finding {
  const { host, port, server, destinationRule, authenticationPolicy, problem = "" } = row;
  return createFinding(
    {
      severity: rule?.isWildcard === true ? "warning" : "error",
      name: server === "NONE" ? "DestinationRuleUsesMTLSForWorkloadWithoutSidecar" : "MTLSPolicyConflict",
      resource: rule === undefined ? authenticationPolicy : destinationRule,
      origin: rule?.origin,
    },
    `connections to ${host}:${port} fail: ${problem}`,
  );
}
