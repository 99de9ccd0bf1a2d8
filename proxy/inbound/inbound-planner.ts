import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { deliveryProofOf } from "../connections/delivery-proof.ts";
import type { VerifiedPeer } from "../connections/handshake.ts";
import type { Authentication } from "../http/authentication/request-authenticator.ts";
import { NO_TOKEN_EDITS } from "../http/authentication/token-edits.ts";
import type { ConnectionPolicies, RequestJudgement } from "../http/authorization/connection-policies.ts";
import type { JudgedAs } from "../http/authorization/judged-request.ts";
import { lastForwardedAddress } from "../http/authorization/remote-address.ts";
import { type JudgedClient, reportVerdict, type VerdictReportDeps } from "../http/authorization/report-verdict.ts";
import type { ForwardPlan, LocalReplyPlan, RequestPlan } from "../http/exchange/request-plan.ts";
import { formatForwardedClientCert } from "../http/headers/forwarded-client-cert.ts";
import type { UpstreamPool } from "../http/pool/upstream-pool.ts";
import type { RequestEdits } from "../messages/edits/head-edits.ts";
import type { RequestHead } from "../messages/message-head.ts";
import { formatInboundClusterName } from "../telemetry/cluster-name.ts";

export interface InboundPlannerOptions {
  /** The client's side. */
  readonly socket: Socket;
  readonly peer: VerifiedPeer | undefined;
  /** This workload's identity; with a peer, the one that was presented to it. */
  readonly own: SpiffeId | undefined;
  /** The application's. */
  readonly port: number;
  /** The connections to the application. */
  readonly pool: () => UpstreamPool;
  readonly policies: ConnectionPolicies;
  readonly client: JudgedClient;
  readonly report: VerdictReportDeps;
}

/** An inbound request has no VirtualService's. */
const ROUTE = "default";

/** What is known of the sender by a token, unless the request is refused for it. */
type Accepted = Exclude<Authentication, { kind: "refused" }>;

/**
 * Plans the requests of one client. Each goes to the application if the policies of that moment allow it, and is judged
 * again when they have changed.
 */
export class InboundPlanner {
  readonly #options: InboundPlannerOptions;
  readonly #edits: RequestEdits;
  readonly #as: JudgedAs;
  /** Of a request in which no token changes anything: the same for all. */
  #plain: ForwardPlan | undefined;

  constructor(options: InboundPlannerOptions) {
    this.#options = options;
    this.#edits = editsFor(options);
    const { hop, forwardedClientCert } = this.#edits;
    const written = (name: string) => (name === "x-forwarded-client-cert" ? forwardedClientCert : undefined);
    this.#as = { hop, written, token: undefined };
  }

  plan(head: RequestHead, authentication: Authentication): RequestPlan {
    if (authentication.kind === "refused") return replyPlan({ reply: authentication.reply });
    const isPlain = authentication.kind === "anonymous" && authentication.edits === NO_TOKEN_EDITS;
    const as = isPlain ? this.#as : this.#judgedAs(authentication);
    const { verdict, reply } = this.#judge(head, as);
    if (verdict !== undefined) this.#report(verdict);
    if (reply !== undefined) return replyPlan({ reply, verdict });
    const plan = isPlain ? this.#plainPlan() : this.#forward(as, { ...this.#edits, ...authentication.edits });
    return verdict === undefined ? plan : { ...plan, authorization: verdict, edits: this.#withTrailers(plan, head) };
  }

  /** Only content of an unknown length has trailers. */
  #withTrailers({ edits }: ForwardPlan, { content }: RequestHead): RequestEdits {
    const { fieldNames } = this.#options.policies;
    if (content.kind !== "unknown" || fieldNames.size === 0) return edits;
    return { ...edits, removedTrailers: new Set([...fieldNames, ...(edits.headers?.removed ?? [])]) };
  }

  #plainPlan(): ForwardPlan {
    if (this.#plain?.pool !== this.#options.pool()) this.#plain = this.#forward(this.#as, this.#edits);
    return this.#plain;
  }

  #forward(as: JudgedAs, edits: RequestEdits): ForwardPlan {
    const { socket, peer, pool, port } = this.#options;
    return {
      kind: "forward",
      pool: pool(),
      edits,
      responseHeaders: undefined,
      retries: undefined,
      timeoutMs: undefined,
      delayMs: undefined,
      route: ROUTE,
      cluster: formatInboundClusterName(port),
      judgeAgain: (head) => this.#judgeAgain(head, as),
      ...(peer === undefined ? {} : { proveDelivery: () => deliveryProofOf(socket) }),
    };
  }

  #judge(head: RequestHead, as: JudgedAs): RequestJudgement {
    return this.#options.policies.judgeRequest(head, as, lastForwardedAddress);
  }

  #judgeAgain(head: RequestHead, as: JudgedAs): LocalReplyPlan | undefined {
    const { verdict, reply } = this.#judge(head, as);
    if (reply === undefined) return undefined;
    if (verdict !== undefined) this.#report(verdict);
    return replyPlan({ reply, verdict });
  }

  #report(verdict: NonNullable<RequestJudgement["verdict"]>): void {
    const { client, report } = this.#options;
    reportVerdict(verdict, client, report);
  }

  #judgedAs(authentication: Accepted): JudgedAs {
    const token = authentication.kind === "verified" ? authentication.token : undefined;
    return { ...this.#as, token, headers: authentication.edits.headers };
  }
}

/** For a request on a connection that has been cut: it reaches nobody. */
export const CUT_PLAN: LocalReplyPlan = replyPlan({ reply: { status: 403, flags: "DO", details: "revoked" } });

function replyPlan({ reply, verdict }: Pick<LocalReplyPlan, "reply"> & Partial<RequestJudgement>): LocalReplyPlan {
  return { kind: "local_reply", reply, delayMs: undefined, route: ROUTE, authorization: verdict };
}

function editsFor({ peer, own }: InboundPlannerOptions): RequestEdits {
  const [certificate] = peer?.certificates ?? [];
  const forwardedClientCert =
    peer === undefined || own === undefined || certificate === undefined
      ? undefined
      : formatForwardedClientCert({ own, peer: peer.identity, certificate });
  const hop = peer === undefined ? "inbound_unverified" : "inbound_verified";
  return { hop, forwardedClientCert, createRequestId: randomUUID };
}
