/** What a reader of an explanation should know: what was assumed, and what was not looked at. */
import type { AuthorizationRule, ConnectionAttributes } from "../../mesh/policy/authorization/authorization.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { describeRoutes } from "../describe/route-description.ts";
import { hasProxy } from "../workloads/pod-proxy.ts";
import type { ExplainedClient } from "./arrivals.ts";
import type { ExplainedRequest } from "./explained-request.ts";
import type { ExplainedTarget } from "./explained-target.ts";
import type { PodRules, ServedPortFacts } from "./server-facts.ts";

/** Notes on the way from a client to a target. */
export function notesOnPath(
  configuration: Configuration,
  client: ExplainedClient,
  target: ExplainedTarget,
): readonly string[] {
  if (client.kind === "identity") return ["the client is taken to prove its identity by mutual TLS"];
  if (target.kind === "pod" || client.kind !== "pod" || !hasProxy(client.pod)) return [];
  return describeRoutes(configuration, target.service)
    .filter(({ isUsedBySidecars }) => isUsedBySidecars === true)
    .map(
      ({ rule }) =>
        `${rule} routes requests to ${formatResourceName(target.service)}, and may choose other pods: ${NOT_FOLLOWED}`,
    );
}

const NOT_FOLLOWED = "routes are not followed; ask about each of its destinations";

export interface NotedAccess {
  readonly rules: PodRules;
  readonly connection: ConnectionAttributes;
  readonly request: ExplainedRequest;
  readonly served: ServedPortFacts;
  readonly isRequest: boolean;
}

/** Notes on what a pod's proxy judges. */
export function notesOnAccess(access: NotedAccess): readonly string[] {
  const keys = new Set(
    access.rules.authorization.policies.flatMap(({ rules }) => rules.flatMap(conditionsOf).map(({ key }) => key)),
  );
  return [...notesOnProtocol(access), ...notesOnAddresses(access, keys), ...notesOnRequest(access, keys)];
}

function conditionsOf({ from, to, when }: AuthorizationRule) {
  return [...from.flat(), ...to.flat(), ...when];
}

function notesOnProtocol({ request, served, isRequest, connection }: NotedAccess): readonly string[] {
  const port = `port ${connection.destinationPort}`;
  if (served.protocol === "undeclared") {
    return isRequest
      ? [`${port} declares no protocol: judged as a request of HTTP, which the proxy recognises by its first bytes`]
      : [`${port} declares no protocol: judged as a stream; with --method or --path it is judged as a request of HTTP`];
  }
  if (isRequest || !request.isGiven) return [];
  return [`${port} is declared as ${served.protocol}, a stream: what was said of a request is not looked at`];
}

function notesOnAddresses({ connection }: NotedAccess, keys: ReadonlySet<string>): readonly string[] {
  const addresses = [
    { compared: ["source.ip", "remote.ip"], value: connection.sourceIp, fix: "the client's address: give --source-ip" },
    {
      compared: ["destination.ip"],
      value: connection.destinationIp,
      fix: "the pod's address, which manifests do not contain",
    },
  ];
  return addresses
    .filter(({ compared, value }) => value === "" && compared.some((key) => keys.has(key)))
    .map(({ fix }) => `a policy compares ${fix}`);
}

function notesOnRequest({ rules, request, isRequest }: NotedAccess, keys: ReadonlySet<string>): readonly string[] {
  if (!isRequest) return [];
  return [
    ...(keys.has("request.host") && request.authority === undefined
      ? ["a policy compares the host, which is assumed: give --header 'host: NAME'"]
      : []),
    ...(request.claims !== undefined && rules.tokenRules.length === 0
      ? ["no RequestAuthentication applies, so nothing verifies the token, and policies do not see it"]
      : []),
  ];
}
