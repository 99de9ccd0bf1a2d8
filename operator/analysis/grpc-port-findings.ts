import { declaredProtocol } from "../../mesh/policy/declared-protocol.ts";
import { findTcpPorts } from "../../mesh/policy/workloads.ts";
import type { Service, ServicePort } from "../../mesh/resources/kinds/service.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { createFinding, type Finding } from "./finding.ts";
import { hasMeshedPods, placeOfPort } from "./port-findings.ts";

/**
 * Service ports that lead to a sidecar and whose name, or the name of the container port behind them, speaks of gRPC,
 * although they are declared as something else. A port with TLS of its own may carry gRPC: the sidecar cannot see it.
 */
export function findGrpcPortFindings(set: ResourceSet): readonly Finding[] {
  return [...set.services.values()].flatMap((service) => {
    const suspects = findTcpPorts(service).flatMap((port) => {
      const fault = findFault(port);
      return fault === undefined ? [] : [{ port, fault }];
    });
    if (suspects.length === 0 || !hasMeshedPods(set, service)) return [];
    return suspects.map(({ port, fault }) => createGrpcFinding(service, port, fault));
  });
}

function findFault(port: ServicePort): string | undefined {
  const protocol = declaredProtocol(port);
  if (protocol === "grpc-web") return findAccidentalWeb(port);
  const named = [port.name, port.targetPort].find(speaksOfGrpc);
  if (named === undefined) return undefined;
  const source = port.appProtocol === undefined ? "its name" : `appProtocol ${JSON.stringify(port.appProtocol)}`;
  const effect =
    protocol === "http" ? "makes it HTTP/1.1" : protocol === "tcp" ? "makes it a stream, without requests" : undefined;
  return effect && `seems to be gRPC (${JSON.stringify(named)}), but ${source} ${effect}`;
}

/** `grpc-webhook` begins with `grpc-web`, which is all that Istio looks at. */
function findAccidentalWeb({ name, appProtocol }: ServicePort): string | undefined {
  const declared = appProtocol ?? name ?? "";
  if (/^grpc-web(?:-|$)/i.test(declared)) return undefined;
  return `is gRPC-Web, because ${JSON.stringify(declared)} begins with grpc-web`;
}

function speaksOfGrpc(name: string | number | undefined): boolean {
  return typeof name === "string" && name.toLowerCase().split("-").includes("grpc");
}

function createGrpcFinding(service: Service, port: ServicePort, fault: string): Finding {
  return createFinding(
    { severity: "warning", name: "GrpcPortDeclaredOtherwise", ...placeOfPort(service, port) },
    `port ${port.port} ${fault}: name the port grpc or grpc-SUFFIX, or set appProtocol to grpc`,
  );
}
