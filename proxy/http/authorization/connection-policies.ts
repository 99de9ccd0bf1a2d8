import type { AuthorizationVerdict, ConnectionAttributes } from "../../../mesh/policy/authorization/authorization.ts";
import {
  authorizeConnection,
  type ConnectionAuthorization,
} from "../../../mesh/policy/authorization/decide-authorization.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { type CompiledPolicies, fieldNamesOf } from "./compiled-policies.ts";
import { denialReply } from "./denial-reply.ts";
import { type JudgedAs, JudgedRequest } from "./judged-request.ts";

/** What the policies decided about a request. */
export interface RequestJudgement {
  /** `undefined`: no policy applies. */
  readonly verdict: AuthorizationVerdict | undefined;
  /** Why the request is not forwarded; `undefined`: it is. */
  readonly reply: LocalReply | undefined;
}

/**
 * Judges one connection and its requests by the policies that are in force at that moment. What does not depend on a
 * request is decided once for each version of the policies.
 */
export class ConnectionPolicies {
  readonly #policies: () => CompiledPolicies | undefined;
  readonly #connection: ConnectionAttributes;
  #last: { readonly policies: CompiledPolicies; readonly authorization: ConnectionAuthorization } | undefined;

  /** @param connection `remoteIp`: without any `x-forwarded-for` */
  constructor(policies: () => CompiledPolicies | undefined, connection: ConnectionAttributes) {
    this.#policies = policies;
    this.#connection = connection;
  }

  /** The fields that rules ask for. */
  get fieldNames(): ReadonlySet<string> {
    return fieldNamesOf(this.#policies());
  }

  /** The verdict on the connection as a stream. `undefined`: no policy applies. */
  judgeStream(): AuthorizationVerdict | undefined {
    const policies = this.#policies();
    return policies === undefined ? undefined : this.#authorizationBy(policies).decideStream();
  }

  /** @param remoteIp the address of the client in front of proxies; `undefined`: the connection's own. */
  judgeRequest(head: RequestHead, as: JudgedAs, remoteIp: (head: RequestHead) => string | undefined): RequestJudgement {
    const policies = this.#policies();
    if (policies === undefined) return UNJUDGED;
    const address = policies.readsRemoteIp ? remoteIp(head) : undefined;
    const connection = address === undefined ? this.#connection : { ...this.#connection, remoteIp: address };
    const authorization =
      address === undefined ? this.#authorizationBy(policies) : authorizeConnection(policies.compiled, connection);
    const request = new JudgedRequest(head, as);
    const verdict = authorization.decideRequest(request);
    if (verdict.kind === "denied") return { verdict, reply: denialReply(verdict) };
    const { confusion } = request;
    if (confusion === undefined || policies.effective === undefined) return { verdict, reply: confusion };
    // A policy without an effect may have asked for the field: then it is forwarded.
    const again = new JudgedRequest(head, as);
    authorizeConnection(policies.effective, connection).decideRequest(again);
    return { verdict, reply: again.confusion };
  }

  #authorizationBy(policies: CompiledPolicies): ConnectionAuthorization {
    if (this.#last?.policies !== policies) {
      this.#last = { policies, authorization: authorizeConnection(policies.compiled, this.#connection) };
    }
    return this.#last.authorization;
  }
}

const UNJUDGED: RequestJudgement = { verdict: undefined, reply: undefined };
