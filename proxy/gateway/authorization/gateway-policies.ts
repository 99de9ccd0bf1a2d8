import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import {
  type Authorization,
  type AuthorizationVerdict,
  NO_AUTHORIZATION,
  type TokenAttributes,
} from "../../../mesh/policy/authorization/authorization.ts";
import { formatClient, plainAddress } from "../../../net/client-address.ts";
import { formatSocketAddress } from "../../../net/socket-address.ts";
import type { TokenEdits } from "../../http/authentication/token-edits.ts";
import { compiledPolicies, fieldNamesOf } from "../../http/authorization/compiled-policies.ts";
import { ConnectionPolicies } from "../../http/authorization/connection-policies.ts";
import { reportVerdict, type VerdictReportDeps } from "../../http/authorization/report-verdict.ts";
import type { ClientGuard } from "../fault-guard.ts";
import { type GatewayReply, policyReply } from "../gateway-reply.ts";
import type { PreparedRequest } from "../requests/prepared-request.ts";

/** A request or an upgrade that is to be judged. */
export interface JudgedExchange {
  readonly prepared: PreparedRequest;
  /** Of RequestAuthentication. */
  readonly token: TokenAttributes | undefined;
  /** What its token changes. */
  readonly edits: TokenEdits;
  /** The client's connection. */
  readonly socket: Socket;
  /** Cuts it if it cannot be judged. */
  readonly guard: Pick<ClientGuard, "run">;
  /** Closes when the request is over. */
  readonly lifetime: EventEmitter;
  /** For the access log. */
  readonly onVerdict: (verdict: AuthorizationVerdict) => void;
  /** It was allowed and no longer is: it ends now, whatever its state. */
  readonly onDenied: (reply: GatewayReply) => void;
}

/** The gateway's policies, and the requests in progress, which are judged again when the policies change. */
export class GatewayPolicies {
  readonly #deps: VerdictReportDeps;
  readonly #compiled = compiledPolicies(() => this.#current);
  readonly #connections = new WeakMap<Socket, ConnectionPolicies>();
  readonly #inProgress = new Set<JudgedExchange>();
  #current: Authorization = NO_AUTHORIZATION;

  constructor(deps: VerdictReportDeps) {
    this.#deps = deps;
  }

  /** As the control plane sent them. */
  get current(): Authorization {
    return this.#current;
  }

  /** New policies are in force for the next request, and for those in progress. */
  update(authorization: Authorization): void {
    // Routes come in the same message, and change more often.
    if (isDeepStrictEqual(authorization, this.#current)) return;
    this.#current = authorization;
    for (const exchange of this.#inProgress) exchange.guard.run(() => this.#judgeAgain(exchange));
  }

  /** The fields that rules ask for. */
  get fieldNames(): ReadonlySet<string> {
    return fieldNamesOf(this.#compiled());
  }

  /** @returns why a new request is not served; `undefined`: it is, until the policies change. */
  admit(exchange: JudgedExchange): GatewayReply | undefined {
    const { verdict, reply } = this.#judge(exchange);
    if (verdict !== undefined) this.#report(verdict, exchange);
    if (reply !== undefined) return policyReply(reply);
    this.#inProgress.add(exchange);
    exchange.lifetime.once("close", () => this.#inProgress.delete(exchange));
    return undefined;
  }

  #judgeAgain(exchange: JudgedExchange): void {
    const { verdict, reply } = this.#judge(exchange);
    if (reply === undefined) return;
    if (verdict !== undefined) this.#report(verdict, exchange);
    exchange.onDenied(policyReply(reply));
  }

  #judge({ prepared, token, edits, socket }: JudgedExchange) {
    const { head, client } = prepared;
    const written = (name: string) => (Object.hasOwn(client.written, name) ? client.written[name] : undefined);
    const judgedAs = { hop: "gateway", written, headers: edits.headers, token } as const;
    return this.#policiesOf(socket).judgeRequest(head, judgedAs, () => client.remoteIp);
  }

  #policiesOf(socket: Socket): ConnectionPolicies {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const { localAddress, localPort = 0 } = socket;
    const sourceIp = plainAddress(socket);
    const policies = new ConnectionPolicies(this.#compiled, {
      // Clients outside the mesh have no identity in it: this port is plain HTTP.
      peer: undefined,
      sni: undefined,
      sourceIp,
      remoteIp: sourceIp,
      destinationIp: plainAddress({ remoteAddress: localAddress }),
      destinationPort: localPort,
    });
    this.#connections.set(socket, policies);
    return policies;
  }

  #report(verdict: AuthorizationVerdict, { socket, onVerdict }: JudgedExchange): void {
    onVerdict(verdict);
    const { localAddress = "", localPort = 0 } = socket;
    const destination = formatSocketAddress({ ip: localAddress, port: localPort });
    reportVerdict(verdict, { client: formatClient(socket), destination, peer: "" }, this.#deps);
  }
}
