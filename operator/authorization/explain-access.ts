import { formatServiceHost } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Configuration } from "../configuration/configuration.ts";
import type { AccessExplanation, AccessQuestion, WorkloadAccess } from "./access.ts";
import { notesOnPath } from "./access-notes.ts";
import { decideArrivals, type ExplainedClient } from "./arrivals.ts";
import type { ExplainedTarget } from "./explained-target.ts";
import { judgeArrival, type PodAccess } from "./judge-arrival.ts";

/**
 * What happens to a request or a stream from a client, at each workload behind a target: by the decisions that the
 * client's and the servers' proxies receive. VirtualServices are not followed.
 * @throws OperatorError `not_found` if there is no endpoint
 */
export function explainAccess(configuration: Configuration, question: AccessQuestion): AccessExplanation {
  const { client, target, request } = question;
  const arrivals = decideArrivals(configuration, client, target);
  const authority = request.authority ?? authorityOf(configuration, target);
  const found = arrivals.kind === "refused" ? [] : arrivals.arrivals;
  const identity = found.find((arrival) => arrival.identity !== undefined)?.identity;
  return {
    client: titleOfClient(client),
    ...(identity === undefined ? {} : { identity }),
    target: formatResourceName(target.kind === "service" ? target.service : target.pod),
    port: target.kind === "service" ? target.port.port : target.port,
    request: { method: request.method, authority, path: request.path },
    ...(arrivals.kind === "refused" ? { refused: arrivals.reason } : {}),
    workloads: joinPods(found.map((arrival) => judgeArrival(configuration, { ...question, authority }, arrival))),
    notes: notesOnPath(configuration, client, target),
  };
}

/** Whether a client is denied somewhere. */
export function isDenied({ refused, workloads }: AccessExplanation): boolean {
  return refused !== undefined || workloads.some(({ verdict }) => verdict.kind === "denied");
}

/** What a client that dials the target usually sends. Manifests have no addresses: there a pod's name stands for it. */
function authorityOf({ settings, origin }: Configuration, target: ExplainedTarget): string {
  if (target.kind === "service") return withPort(formatServiceHost(target.service, settings), target.port.port);
  const { metadata, status } = target.pod;
  const ip = origin === "files" ? undefined : status.podIP;
  return withPort(ip ?? `${metadata.name}.${metadata.namespace}`, target.port);
}

function withPort(host: string, port: number): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === 80 ? name : `${name}:${port}`;
}

function titleOfClient(client: ExplainedClient): string {
  switch (client.kind) {
    case "pod":
      return formatResourceName(client.pod);
    case "identity":
      return client.identity;
    case "plaintext":
      return "plaintext";
  }
}

/** Pods of one workload that differ in nothing share an entry. */
function joinPods(judged: readonly PodAccess[]): readonly WorkloadAccess[] {
  const groups = Map.groupBy(judged, ({ pod: _pod, ...rest }) => JSON.stringify(rest));
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const { pod, ...access } = first;
    const pods = [pod, ...others.map((other) => other.pod)].filter((name) => name !== undefined);
    return [{ ...access, pods: pods.toSorted() }];
  });
}
