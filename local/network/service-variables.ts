import { hasAddress, type LocalService } from "./services.ts";

/** The pod that the variables are for. */
export interface VariablesOwner {
  readonly namespace: string;
  /** The pod's `enableServiceLinks`: without it, the pod gets only the API server's variables. */
  readonly hasServiceLinks: boolean;
}

/**
 * The environment variables with the addresses of Services, as kubelet sets them: for Services in the pod's namespace
 * with an address, and for the API server. The names come from Docker's container links.
 */
export function serviceVariables(
  services: readonly LocalService[],
  owner: VariablesOwner,
): Readonly<Record<string, string>> {
  const isApiServer = ({ name, namespace }: LocalService): boolean => name === "kubernetes" && namespace === "default";
  const isLinked = (service: LocalService): boolean => owner.hasServiceLinks && service.namespace === owner.namespace;
  const known = services.filter(
    (service) => hasAddress(service.clusterIp) && (isLinked(service) || isApiServer(service)),
  );
  return Object.fromEntries(known.flatMap(variablesOf));
}

function variablesOf({ name, clusterIp, ports }: LocalService): readonly (readonly [string, string])[] {
  const [first] = ports;
  if (first === undefined) return [];
  const prefix = formatName(name);
  const named = ports.filter((port) => port.name !== "");
  return [
    [`${prefix}_SERVICE_HOST`, clusterIp],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
    ...named.map((port) => [`${prefix}_SERVICE_PORT_${formatName(port.name)}`, String(port.port)] as const),
    [`${prefix}_PORT`, `tcp://${clusterIp}:${first.port}`],
    ...ports.flatMap(({ port }) => {
      const link = `${prefix}_PORT_${port}_TCP`;
      return [
        [link, `tcp://${clusterIp}:${port}`],
        [`${link}_PROTO`, "tcp"],
        [`${link}_PORT`, String(port)],
        [`${link}_ADDR`, clusterIp],
      ] as const;
    }),
  ];
}

function formatName(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}
