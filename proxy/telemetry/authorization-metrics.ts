import { formatLabels, type MetricFamily } from "../../net/metrics/metric-family.ts";
import type { AuthorizationSeries, VerdictKind, VerdictTotal } from "./authorization-series.ts";

/**
 * Verdicts of AuthorizationPolicies. Istio's proxies have Envoy's counters `…_rbac` with the labels
 * `authz_enforce_result` or `authz_dry_run_action` and `authz_dry_run_result`, by listener; here they are by rule.
 */
export function authorizationFamilies(series: AuthorizationSeries): readonly MetricFamily[] {
  return [
    family(series, {
      name: "entente_rbac_total",
      help: "Requests and streams that AuthorizationPolicies judged, by result and deciding rule.",
      kinds: ["enforced"],
      labels: ({ result }) => ({ authz_enforce_result: result }),
    }),
    family(series, {
      name: "entente_rbac_dry_run_total",
      help: "What AuthorizationPolicies in dry run would have decided.",
      kinds: ["dry_run_allow", "dry_run_deny"],
      labels: ({ kind, result }) => ({
        authz_dry_run_action: kind === "dry_run_allow" ? "allow" : "deny",
        authz_dry_run_result: result,
      }),
    }),
    family(series, {
      name: "entente_rbac_audited_total",
      help: "Requests and streams that an AuthorizationPolicy with the action AUDIT matched, by the deciding rule.",
      kinds: ["audited"],
      labels: ({ result }) => ({ authz_enforce_result: result }),
    }),
  ];
}

interface VerdictFamily {
  readonly name: string;
  readonly help: string;
  readonly kinds: readonly VerdictKind[];
  readonly labels: (total: VerdictTotal) => Readonly<Record<string, string>>;
}

function family(series: AuthorizationSeries, { name, help, kinds, labels }: VerdictFamily): MetricFamily {
  return {
    name,
    help,
    type: "counter",
    *samples() {
      for (const kind of kinds) {
        for (const total of series.totals(kind)) {
          const { protocol, rule, count } = total;
          yield `${name}{${formatLabels({ ...labels(total), request_protocol: protocol, rule })}} ${count}\n`;
        }
      }
    },
  };
}
