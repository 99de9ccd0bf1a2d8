import type { ConnectionAttributes } from "../../mesh/policy/authorization/authorization.ts";
import { workloadInfo } from "../../mesh/policy/workloads.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { describeConflict } from "../tls/describe-conflict.ts";
import { accepts } from "../tls/tls-row.ts";
import type { AccessQuestion, AccessVerdict, WorkloadAccess } from "./access.ts";
import { notesOnAccess } from "./access-notes.ts";
import { type Arrival, type ExplainedClient, findUntrusted } from "./arrivals.ts";
import { judgeRequest } from "./judge-request.ts";
import { decidePodRules, decideServedPortFacts, isJudgedByRequest, type ServedPortFacts } from "./server-facts.ts";
import { explainPolicies } from "./verdicts/policy-verdict.ts";

/** A question with the authority that the request has. */
type KnownQuestion = AccessQuestion & { readonly authority: string };

/** How one pod receives a client; `undefined` as pod: the address is no pod's. */
export type PodAccess = Omit<WorkloadAccess, "pods"> & { readonly pod: string | undefined };

const NOTHING_JUDGED = { isAudited: false, dryRun: [], notes: [] } as const;

/** What the proxy of an endpoint decides about what arrives there. */
export function judgeArrival(configuration: Configuration, question: KnownQuestion, arrival: Arrival): PodAccess {
  const { endpoint, client, clientRule } = arrival;
  const { pod } = endpoint;
  const shared = { port: endpoint.port, client, clientRule };
  if (pod === undefined) {
    const server = { server: "NONE", serverRule: "no pod of the mesh", protocol: "undeclared" } as const;
    const verdict = findTlsFault(configuration, arrival, { server: server.server, rule: server.serverRule });
    return {
      ...{ workload: endpoint.ip, pod: undefined, ...shared, ...server, judgedAs: "stream", ...NOTHING_JUDGED },
      verdict: verdict ?? { kind: "allowed", by: "no-proxy" },
    };
  }
  const { rule: serverRule, ...facts } = decideServedPortFacts(configuration, pod, endpoint.port);
  const isRequest = isJudgedByRequest(facts.protocol, question.request.isGiven);
  return {
    workload: `${workloadInfo(pod).workload}.${pod.metadata.namespace}`,
    pod: `${pod.metadata.name}.${pod.metadata.namespace}`,
    ...shared,
    ...facts,
    serverRule,
    judgedAs: isRequest ? "request" : "stream",
    ...judgeAtPod(configuration, question, { arrival, pod, isRequest, served: { ...facts, rule: serverRule } }),
  };
}

interface PodArrival {
  readonly arrival: Arrival;
  readonly pod: Pod;
  readonly isRequest: boolean;
  readonly served: ServedPortFacts;
}

type Judgment = Pick<WorkloadAccess, "verdict" | "isAudited" | "dryRun" | "path" | "notes">;

/** In the order of the proxy: the peer, then the request or the stream. */
function judgeAtPod(configuration: Configuration, question: KnownQuestion, at: PodArrival): Judgment {
  const { arrival, pod, isRequest, served } = at;
  const fault = findTlsFault(configuration, arrival, served);
  if (fault !== undefined) return { ...NOTHING_JUDGED, verdict: fault };
  const rules = decidePodRules(configuration, pod);
  if (rules === undefined) return { ...NOTHING_JUDGED, verdict: { kind: "allowed", by: "no-proxy" } };
  const connection = connectionOf(configuration, question, arrival);
  const notes = notesOnAccess({ rules, connection, request: question.request, served, isRequest });
  if (!isRequest) return { notes, ...explainPolicies(rules.authorization, { connection, request: undefined }) };
  return { notes, ...judgeRequest({ request: question.request, authority: question.authority, connection }, rules) };
}

/** Why the connection fails before anything is sent on it. */
function findTlsFault(
  configuration: Configuration,
  { client, clientRule, identity }: Arrival,
  { server, rule }: Pick<ServedPortFacts, "server" | "rule">,
): AccessVerdict | undefined {
  if (!accepts(server, client)) {
    const conflict = { server, client, authenticationPolicy: rule, destinationRule: clientRule };
    return { kind: "denied", by: "tls", reason: describeConflict(conflict) };
  }
  const untrusted = identity === undefined ? undefined : findUntrusted(identity, configuration);
  return untrusted === undefined ? undefined : { kind: "denied", by: "tls", reason: untrusted };
}

function connectionOf(configuration: Configuration, question: KnownQuestion, arrival: Arrival): ConnectionAttributes {
  const { endpoint, identity, sni } = arrival;
  const sourceIp = question.sourceIp ?? addressOfClient(configuration, question.client);
  // Manifests have no addresses: those of the expected pods are placeholders.
  const destinationIp = configuration.origin === "files" ? "" : endpoint.ip;
  return { peer: identity, sourceIp, remoteIp: sourceIp, destinationIp, destinationPort: endpoint.port, sni };
}

/** Empty: unknown. */
function addressOfClient({ origin }: Configuration, client: ExplainedClient): string {
  return client.kind === "pod" && origin === "cluster" ? (client.pod.status.podIP ?? "") : "";
}
