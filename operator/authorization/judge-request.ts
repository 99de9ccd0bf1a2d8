import type { ConnectionAttributes } from "../../mesh/policy/authorization/authorization.ts";
import { normalizePath } from "../../mesh/policy/authorization/normalize-path.ts";
import { readClientFacts } from "../../proxy/gateway/requests/client-facts.ts";
import { compiledPolicies } from "../../proxy/http/authorization/compiled-policies.ts";
import { ConnectionPolicies } from "../../proxy/http/authorization/connection-policies.ts";
import { type JudgedAs, JudgedRequest } from "../../proxy/http/authorization/judged-request.ts";
import { lastForwardedAddress } from "../../proxy/http/authorization/remote-address.ts";
import type { RequestHead } from "../../proxy/messages/message-head.ts";
import type { AccessVerdict, WorkloadAccess } from "./access.ts";
import { type ExplainedRequest, requestHeadOf } from "./explained-request.ts";
import type { PodRules } from "./server-facts.ts";
import { judgeClaims } from "./token-claims.ts";
import { explainPolicies } from "./verdicts/policy-verdict.ts";

type JudgedAccess = Pick<WorkloadAccess, "verdict" | "isAudited" | "dryRun" | "path">;

/** A request on a connection that a pod's proxy has accepted. */
export interface RequestArrival {
  readonly request: ExplainedRequest;
  readonly authority: string;
  readonly connection: ConnectionAttributes;
}

/** What a pod's proxy decides about a request, in its order: the path, the token, the policies. */
export function judgeRequest({ request, authority, connection }: RequestArrival, rules: PodRules): JudgedAccess {
  const { authorization, tokenRules } = rules;
  const path = normalizePath(request.path, authorization.pathNormalization);
  if (path === undefined) return refuse("request", `the path ${request.path} has no safe reading (status 400)`);
  const judged = judgeClaims(request.claims, tokenRules);
  if (judged.kind === "refused") return { path, ...refuse("token", judged.reason) };
  const head = requestHeadOf(request, { authority, path });
  const client = readClient(head, connection, rules);
  const as: JudgedAs = { ...client.as, token: judged.token };
  const known = { ...connection, remoteIp: client.remoteIp };
  const explained = explainPolicies(authorization, { connection: known, request: new JudgedRequest(head, as) });
  if (explained.verdict.kind === "denied") return { path, ...explained };
  const policies = new ConnectionPolicies(
    compiledPolicies(() => authorization),
    known,
  );
  const { reply } = policies.judgeRequest(head, as, () => undefined);
  if (reply === undefined) return { path, ...explained };
  return {
    path,
    ...explained,
    verdict: { kind: "denied", by: "request", reason: `${reply.details} (status ${reply.status})` },
  };
}

/** Which fields are not the client's to set, what the proxy writes instead, and the address in front of proxies. */
function readClient(
  head: RequestHead,
  { peer, sourceIp }: ConnectionAttributes,
  { proxy, authorization }: PodRules,
): { readonly as: Omit<JudgedAs, "token">; readonly remoteIp: string } {
  if (proxy === "sidecar") {
    const hop = peer === undefined ? "inbound_unverified" : "inbound_verified";
    return { as: { hop, written: () => undefined }, remoteIp: lastForwardedAddress(head) ?? sourceIp };
  }
  const { numTrustedProxies } = authorization;
  const { remoteIp, written } = readClientFacts({ head, peerIp: sourceIp, numTrustedProxies, requestId: "" });
  return {
    as: { hop: "gateway", written: (name) => Object.entries(written).find(([own]) => own === name)?.[1] },
    remoteIp,
  };
}

function refuse(by: "request" | "token", reason: string): Omit<JudgedAccess, "path"> {
  const verdict: AccessVerdict = { kind: "denied", by, reason };
  return { isAudited: false, dryRun: [], verdict };
}
