import type { SocketAddress } from "../../net/socket-address.ts";
import { SERVICE_NETWORK } from "./addresses.ts";

/** The chain of our rules; its name distinguishes them from other programs' rules. */
export const SERVICES_CHAIN = "ENTENTE-SERVICES";

/** One port of a Service, and its pods. */
export interface ServicePortRule {
  readonly clusterIp: string;
  readonly port: number;
  readonly endpoints: readonly SocketAddress[];
}

/**
 * Does what kube-proxy does in its iptables mode, for pods without a sidecar and for connections from sidecars. A
 * connection to a Service's address goes to one of its pods, each with the same probability. A Service without pods
 * refuses. Pods see each other's own addresses; only a pod that calls itself sees the node's address, because it would
 * not respond to itself.
 * @returns complete nat and filter tables for iptables-restore, which replace the previous ones.
 */
export function formatServiceRules(rules: readonly ServicePortRule[]): string {
  const translations = rules.flatMap(formatTranslation);
  const refusals = rules
    .filter(({ endpoints }) => endpoints.length === 0)
    .map(
      (rule) =>
        `-A ${SERVICES_CHAIN} -d ${rule.clusterIp}/32 -p tcp --dport ${rule.port} -j REJECT --reject-with tcp-reset`,
    );
  const backends = new Set(rules.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)));
  return [
    "*nat",
    ":PREROUTING ACCEPT",
    ":OUTPUT ACCEPT",
    ":POSTROUTING ACCEPT",
    `:${SERVICES_CHAIN} -`,
    `-A PREROUTING -d ${SERVICE_NETWORK} -p tcp -j ${SERVICES_CHAIN}`,
    `-A OUTPUT -d ${SERVICE_NETWORK} -p tcp -j ${SERVICES_CHAIN}`,
    ...translations,
    ...[...backends].map((ip) => `-A POSTROUTING -s ${ip}/32 -d ${ip}/32 -j MASQUERADE`),
    "COMMIT",
    "*filter",
    ":FORWARD ACCEPT",
    ":OUTPUT ACCEPT",
    `:${SERVICES_CHAIN} -`,
    `-A FORWARD -d ${SERVICE_NETWORK} -p tcp -j ${SERVICES_CHAIN}`,
    `-A OUTPUT -d ${SERVICE_NETWORK} -p tcp -j ${SERVICES_CHAIN}`,
    ...refusals,
    "COMMIT",
    "",
  ].join("\n");
}

function formatTranslation(rule: ServicePortRule): readonly string[] {
  const match = `-A ${SERVICES_CHAIN} -d ${rule.clusterIp}/32 -p tcp --dport ${rule.port}`;
  return rule.endpoints.map(({ ip, port }, index) => {
    const left = rule.endpoints.length - index;
    const chance = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(6)}`;
    return `${match}${chance} -j DNAT --to-destination ${ip}:${port}`;
  });
}
