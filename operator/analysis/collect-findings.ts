import { analyzeResourceSet } from "../../mesh/analysis/analyze-resource-set.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { type Finding, findingFromProblem } from "./finding.ts";
import { findGrpcPortFindings } from "./grpc-port-findings.ts";
import { findInjectionFindings } from "./injection-findings.ts";
import { findPortFindings } from "./port-findings.ts";
import { findTlsFindings } from "./tls-findings.ts";

/**
 * Everything that is suspicious in a configuration: what cannot be read, what the control plane's own analysis reports,
 * and what follows from the pods: missing sidecars, undeclared protocols, TLS that the other side does not accept.
 */
export function collectFindings(configuration: Configuration): readonly Finding[] {
  const { set, settings, problems } = configuration;
  return [
    ...[...problems, ...analyzeResourceSet(set, settings)].map(findingFromProblem),
    ...findInjectionFindings(configuration),
    ...findPortFindings(set),
    ...findGrpcPortFindings(set),
    ...findTlsFindings(configuration),
  ].toSorted((left, right) => compareText(left.file, right.file) || (left.line ?? 0) - (right.line ?? 0));
}

/** Whether a finding concerns a namespace; one about a file or about the whole cluster concerns each. */
export function concernsNamespace({ resource }: Finding, namespace: string): boolean {
  if (resource === undefined) return true;
  const [kind = "", name = ""] = resource.split("/");
  if (kind === "Namespace") return name === namespace;
  return !name.includes(".") || name.slice(name.lastIndexOf(".") + 1) === namespace;
}

function compareText(left = "", right = ""): number {
  return left < right ? -1 : Number(left > right);
}
