import { isDeepStrictEqual } from "node:util";
import type { TokenAttributes } from "../../../mesh/policy/authorization/authorization.ts";
import {
  findTokens,
  redactParameters,
  type TokenLocation,
} from "../../../mesh/policy/request-authentication/token-locations.ts";
import type { TokenRule } from "../../../mesh/policy/request-authentication/token-rule.ts";
import type { Clock } from "../../../mesh/runtime.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { NO_TOKEN_METER, type TokenMeter } from "../../telemetry/token-meter.ts";
import {
  type CompiledLocation,
  type CompiledTokenRules,
  compileTokenRules,
  joinPlaces,
  type TokenPlace,
} from "./compile-token-rules.ts";
import { editsOfToken, NO_TOKEN_EDITS, type TokenEdits } from "./token-edits.ts";
import { tokenReply } from "./token-reply.ts";
import { type AcceptedToken, type PresentedToken, type TokenOutcome, TokenVerifier } from "./token-verifier.ts";
import { VerificationQueue } from "./verification-queue.ts";
import { createSignatureVerifier, type VerifySignature } from "./verify-signature.ts";

/** What is known of a request's sender by a token. */
export type Authentication =
  /** There is none: authorization decides whether one is needed. */
  | { readonly kind: "anonymous"; readonly edits: TokenEdits }
  | { readonly kind: "verified"; readonly token: TokenAttributes; readonly edits: TokenEdits }
  | { readonly kind: "refused"; readonly reply: LocalReply };

/** The part of a request that authentication reads. */
export type AuthenticatedRequest = Pick<RequestHead, "method" | "scheme" | "authority" | "path" | "fields">;

export interface RequestAuthenticatorOptions {
  /** The current rules of this workload. */
  readonly rules: () => readonly TokenRule[];
  readonly clock: Clock;
  /** @default nothing is counted */
  readonly meter?: TokenMeter | undefined;
  /** @default jose */
  readonly verifySignature?: VerifySignature;
  /** @default one with `VERIFICATION_LIMITS` */
  readonly queue?: VerificationQueue;
}

/** The rules in force, and what was verified by them. */
interface Current {
  /** As they came. */
  readonly source: readonly TokenRule[];
  readonly compiled: CompiledTokenRules;
  readonly verifier: TokenVerifier;
}

const NOWHERE: readonly TokenLocation[] = [];
const ANONYMOUS: Authentication = { kind: "anonymous", edits: NO_TOKEN_EDITS };

/**
 * Authenticates requests by their tokens, as Istio's RequestAuthentication demands it of a workload: a request without a
 * token is anonymous, and one whose token is not genuine, or not meant for this workload, gets a local reply. A request
 * with different tokens is refused, because the application might read another one than was judged (in Istio it is
 * undefined which one counts).
 */
export class RequestAuthenticator {
  readonly #options: RequestAuthenticatorOptions;
  readonly #meter: TokenMeter;
  readonly #queue: VerificationQueue;
  readonly #verifySignature: VerifySignature;
  /** Of tokens in fields: the same for each request with the token. */
  readonly #edits = new WeakMap<AcceptedToken, TokenEdits>();
  #current: Current;

  constructor(options: RequestAuthenticatorOptions) {
    this.#options = options;
    this.#meter = options.meter ?? NO_TOKEN_METER;
    this.#queue = options.queue ?? new VerificationQueue();
    this.#verifySignature = options.verifySignature ?? createSignatureVerifier();
    this.#current = this.#compile([]);
  }

  /**
   * Synchronous if the request has no token or one that is known. To be called before the request is judged, and its
   * edits to be applied to what is forwarded.
   * @param client the connection that it came on.
   */
  authenticate(request: AuthenticatedRequest, client: object): Authentication | Promise<Authentication> {
    const current = this.#update();
    const { compiled, verifier } = current;
    if (compiled.locations.length === 0) return ANONYMOUS;
    if (isCorsPreflight(request)) {
      this.#meter.preflightBypassed();
      return { kind: "anonymous", edits: compiled.withoutToken };
    }
    const found = findToken(request, compiled.locations);
    if (found === undefined) {
      this.#meter.allowed();
      return { kind: "anonymous", edits: compiled.withoutToken };
    }
    if (found === "multiple") return this.#finish({ kind: "refused", refusal: "multiple_tokens" }, request, NOWHERE);
    const outcome = verifier.verify(found, client);
    if (!(outcome instanceof Promise)) return this.#finish(outcome, request, found.place.locations);
    return outcome.then((verified) => {
      // Rules that came meanwhile may refuse it.
      if (this.#update() !== current) return this.authenticate(request, client);
      return this.#finish(verified, request, found.place.locations);
    });
  }

  /** The fields that only this proxy may set, as returned by `foldHeaderName`. */
  get outputNames(): ReadonlySet<string> {
    return this.#update().compiled.outputNames;
  }

  /** A path as it may be logged: without the values of parameters that may be tokens. */
  loggedPath(path: string): string {
    const { parameters } = this.#update().compiled;
    return parameters.size === 0 ? path : redactParameters(path, parameters);
  }

  #update(): Current {
    const rules = this.#options.rules();
    const { source } = this.#current;
    if (rules === source || (rules.length === 0 && source.length === 0)) return this.#current;
    // Other parts of the policy change more often than this one.
    this.#current = isDeepStrictEqual(rules, source) ? { ...this.#current, source: rules } : this.#compile(rules);
    return this.#current;
  }

  #compile(source: readonly TokenRule[]): Current {
    const deps = { queue: this.#queue, verifySignature: this.#verifySignature, meter: this.#meter };
    const verifier = new TokenVerifier({ ...deps, clock: this.#options.clock });
    return { source, compiled: compileTokenRules(source), verifier };
  }

  #finish(outcome: TokenOutcome, request: AuthenticatedRequest, found: readonly TokenLocation[]): Authentication {
    if (outcome.kind === "refused") {
      this.#meter.denied();
      return { kind: "refused", reply: tokenReply(outcome.refusal, request) };
    }
    this.#meter.allowed();
    return { kind: "verified", token: outcome.attributes, edits: this.#editsOf(outcome, request, found) };
  }

  #editsOf(token: AcceptedToken, request: AuthenticatedRequest, found: readonly TokenLocation[]): TokenEdits {
    const known = this.#edits.get(token);
    if (known !== undefined) return known;
    const { outputNames } = this.#current.compiled;
    const removedFrom = token.isForwarded ? NOWHERE : found;
    const edits = editsOfToken({ outputNames, outputs: token.outputs, removedFrom }, request);
    if (removedFrom.every(({ kind }) => kind === "field")) this.#edits.set(token, edits);
    return edits;
  }
}

/** The only token of a request, wherever it is; `undefined`: none. */
function findToken(
  request: AuthenticatedRequest,
  locations: readonly CompiledLocation[],
): PresentedToken | "multiple" | undefined {
  let text: string | undefined;
  let place: TokenPlace | undefined;
  for (const each of locations) {
    const found = findTokens(each.location, request);
    for (const token of found) {
      if (text !== undefined && token !== text) return "multiple";
      text = token;
    }
    if (found.length > 0) place = joinPlaces(place, each.place);
  }
  return text === undefined || place === undefined ? undefined : { text, place };
}

/** A browser sends it without credentials (Fetch standard, CORS-preflight request). */
function isCorsPreflight({ method, fields }: AuthenticatedRequest): boolean {
  if (method !== "OPTIONS") return false;
  return !!fields.get("origin") && !!fields.get("access-control-request-method");
}
