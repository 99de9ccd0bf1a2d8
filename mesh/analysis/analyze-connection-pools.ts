import { carriesRequests, declaredProtocol } from "../policy/declared-protocol.ts";
import { UNAPPLIED_POOL_SETTINGS } from "../policy/destinations/connection-pool.ts";
import { expandHost } from "../policy/destinations/destination-rules.ts";
import { matchHost } from "../policy/match-host.ts";
import { findTcpPorts, formatServiceHost } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { formatResourceName } from "../resources/fields/resource-names.ts";
import type { DestinationRule, HttpPool, TrafficPolicy } from "../resources/kinds/destination-rule.ts";
import type { Service, ServicePort } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Settings of connection pools that the proxy does not apply, and upgrades of ports that do not carry HTTP. */
export function findPoolProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  return [...set.destinationRules.values()].flatMap((rule) =>
    poolsOf(rule).flatMap((pool) => [
      ...findUnapplied(rule, pool),
      ...findIneffectiveUpgrade(rule, pool, findPorts(set, settings, { rule, pool })),
    ]),
  );
}

interface PlacedPool {
  /** `spec.trafficPolicy.connectionPool.http` */
  readonly path: string;
  readonly http: HttpPool;
  /** The service's port that the settings are for; `undefined`: all. */
  readonly port: number | undefined;
}

function poolsOf({ spec }: DestinationRule): readonly PlacedPool[] {
  return [
    ...poolsOfPolicy("spec.trafficPolicy", spec.trafficPolicy),
    ...spec.subsets.flatMap(({ trafficPolicy }, index) =>
      poolsOfPolicy(`spec.subsets[${index}].trafficPolicy`, trafficPolicy),
    ),
  ];
}

function poolsOfPolicy(path: string, policy: TrafficPolicy | undefined): readonly PlacedPool[] {
  if (policy === undefined) return [];
  const blocks = [
    { path, connectionPool: policy.connectionPool, port: undefined },
    ...policy.portLevelSettings.map(({ connectionPool, port }, index) => ({
      path: `${path}.portLevelSettings[${index}]`,
      connectionPool,
      port: port.number,
    })),
  ];
  return blocks.flatMap(({ path: place, connectionPool, port }) => {
    const http = connectionPool?.http;
    return http === undefined ? [] : [{ path: `${place}.connectionPool.http`, http, port }];
  });
}

function findUnapplied(rule: DestinationRule, { path, http }: PlacedPool): readonly ConfigProblem[] {
  return UNAPPLIED_POOL_SETTINGS.filter((name) => !isDefault(http[name])).map((name) =>
    createResourceWarning(
      { resource: rule, finding: "UnsupportedSetting", field: `${path}.${name}` },
      "is not applied yet and has no effect",
    ),
  );
}

function isDefault(value: HttpPool[keyof HttpPool]): boolean {
  return value === undefined || value === 0 || value === false || value === "DEFAULT";
}

interface MatchedPort {
  readonly service: Service;
  readonly port: ServicePort;
}

function findPorts(
  set: ResourceSet,
  settings: AnalysisSettings,
  { rule, pool }: { readonly rule: DestinationRule; readonly pool: PlacedPool },
): readonly MatchedPort[] {
  if (pool.http.h2UpgradePolicy !== "UPGRADE") return [];
  const host = expandHost(rule.spec.host, rule.metadata.namespace, settings);
  return [...set.services.values()]
    .filter((service) => matchHost(host, formatServiceHost(service, settings)))
    .flatMap((service) => findTcpPorts(service).map((port) => ({ service, port })))
    .filter(({ port }) => pool.port === undefined || port.port === pool.port);
}

/** Undeclared ports may carry HTTP, and a policy of several ports has an effect if one of them does. */
function findIneffectiveUpgrade(
  rule: DestinationRule,
  { path }: PlacedPool,
  ports: readonly MatchedPort[],
): readonly ConfigProblem[] {
  const isStream = ({ port }: MatchedPort): boolean => {
    const protocol = declaredProtocol(port);
    return protocol !== undefined && !carriesRequests(protocol);
  };
  const [first] = ports;
  if (first === undefined || !ports.every(isStream)) return [];
  const { service, port } = first;
  const others = ports.length === 1 ? "" : ", and no other port carries HTTP either";
  const message =
    `has no effect: port ${port.port} of ${formatResourceName(service)} is declared as ` +
    `${declaredProtocol(port)}${others}. Declare the port as http, or remove the setting`;
  return [
    createResourceWarning(
      { resource: rule, finding: "IneffectiveUpgrade", field: `${path}.h2UpgradePolicy`, other: service },
      message,
    ),
  ];
}
