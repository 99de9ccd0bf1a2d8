/** For tests: an authenticator whose Kubernetes API responds as the test chooses. */
import type { CallOptions, ReviewObject } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import type { TokenVerdict } from "./authenticator.ts";
import { acceptedStatus, createToken, review } from "./token-fixture.ts";
import {
  createTokenReviewAuthenticator,
  type ReviewOutcome,
  type TokenReviewLimits,
} from "./token-review-authenticator.ts";

export type Response = (token: string) => Promise<ReviewObject>;

export const accept: Response = async () => acceptedStatus();
export const refuse: Response = async () => review({ error: "the pod is gone" });
export const fail =
  (options: ConstructorParameters<typeof KubernetesApiError>[2] = {}): Response =>
  async () => {
    throw new KubernetesApiError("api_refused", "no", options);
  };

/** An API whose responses the test chooses, and the authenticator that asks it. */
export class ReviewPlane {
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  readonly outcomes: ReviewOutcome[] = [];
  readonly asked: { readonly spec: unknown; readonly options: CallOptions }[] = [];
  respond: Response = accept;
  readonly #authenticator;

  constructor(limits: Partial<TokenReviewLimits> = {}) {
    this.#authenticator = createTokenReviewAuthenticator({
      api: {
        review: async (_kind, object, options = {}) => {
          const spec = object["spec"];
          this.asked.push({ spec, options });
          return await this.respond(String(Reflect.get(Object(spec), "token")));
        },
      },
      ...{
        onReview: (outcome) => this.outcomes.push(outcome),
        trustDomain: parseTrustDomain("cluster.local"),
        clock: this.clock,
        log: this.log,
        limitLog: unlimitedLog,
        limits,
      },
    });
  }

  token(claims: Readonly<Record<string, unknown>> = {}): string {
    return createToken({ claims, nowMs: this.clock.now() });
  }

  ask(token = this.token(), address = "10.0.0.7"): Promise<TokenVerdict> {
    return this.#authenticator.authenticate(token, address);
  }
}
