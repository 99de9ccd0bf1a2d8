import { Counter, Gauge, type Registry } from "prom-client";
import type { Clock } from "../mesh/runtime.ts";
import type { ChangeOutcome } from "./authority/adopt-files.ts";
import type { Authority } from "./authority/authority.ts";
import type { LiveAuthority } from "./authority/live-authority.ts";
import type { CallerRefusal } from "./workload-auth/authenticate-caller.ts";
import type { ReviewOutcome } from "./workload-auth/token-review-authenticator.ts";

/** The values of the label `error`, as in Istio (security/pkg/pki/error/error.go). */
export type SignErrorLabel = "CSR_ERROR" | "TTL_ERROR" | "CA_NOT_READY" | "CERT_GEN_ERROR";

/** The metrics of the issuing service. */
export interface IssuingMetrics {
  requested(): void;
  authenticationFailed(): void;
  callerRefused(reason: CallerRefusal): void;
  requestUnreadable(): void;
  signingFailed(error: SignErrorLabel): void;
  issued(): void;
}

const PREFIX = "citadel_server";

/** Registers the metrics of Istio's Citadel, under its names; expiry is computed at scrape time. */
export function createIssuingMetrics(deps: {
  readonly registry: Registry;
  readonly authority: Pick<Authority, "expiry">;
  readonly clock: Clock;
}): IssuingMetrics {
  const registers = [deps.registry];
  const counter = (name: string, help: string): Counter => new Counter({ name: `${PREFIX}_${name}`, help, registers });
  const requests = counter("csr_count", "Signing requests received.");
  const unauthenticated = counter(
    "authentication_failure_count",
    "Signing requests whose caller was not authenticated.",
  );
  const unreadable = counter("csr_parsing_err_count", "Signing requests that could not be read.");
  counter("id_extraction_err_count", "Always zero: no identity is taken from a signing request.");
  const issued = counter("success_cert_issuance_count", "Certificates issued to workloads.");
  const failures = new Counter({
    name: `${PREFIX}_csr_sign_err_count`,
    help: "Signing requests that were not signed, by Istio's kind of error.",
    labelNames: ["error"],
    registers,
  });
  const refused = new Counter({
    name: "entente_ca_callers_refused_total",
    help: "Callers that were refused a certificate, by the reason, which they do not receive.",
    labelNames: ["reason"],
    registers,
  });
  registerExpiry("root_cert_expiry", "the root certificate", { ...deps, read: (expiry) => expiry.rootNotAfterMs });
  registerExpiry("cert_chain_expiry", "the signing certificate", { ...deps, read: (expiry) => expiry.chainNotAfterMs });
  return {
    requested: () => requests.inc(),
    authenticationFailed: () => unauthenticated.inc(),
    callerRefused: (reason) => refused.inc({ reason }),
    requestUnreadable: () => unreadable.inc(),
    signingFailed: (error) => failures.inc({ error }),
    issued: () => issued.inc(),
  };
}

interface ExpiryGauges {
  readonly registry: Registry;
  readonly authority: Pick<Authority, "expiry">;
  readonly clock: Clock;
  readonly read: (expiry: ReturnType<Authority["expiry"]>) => number;
}

function registerExpiry(name: string, what: string, { registry, authority, clock, read }: ExpiryGauges): void {
  new Gauge({
    name: `${PREFIX}_${name}_timestamp`,
    help: `When ${what} expires, in seconds since 1970.`,
    registers: [registry],
    collect() {
      this.set(read(authority.expiry()) / 1000);
    },
  });
  new Gauge({
    name: `${PREFIX}_${name}_seconds`,
    help: `How long until ${what} expires, in seconds; negative when it has.`,
    registers: [registry],
    collect() {
      this.set((read(authority.expiry()) - clock.now()) / 1000);
    },
  });
}

/** The metrics of an identity that comes from a cluster. */
export interface IdentityMetrics {
  reviewed(outcome: ReviewOutcome): void;
  authorityChanged(outcome: ChangeOutcome): void;
  /** From now on it is shown whether the stored authority is in force. */
  watchRefusals(authority: Pick<LiveAuthority, "refusal">): void;
}

export function createIdentityMetrics(registry: Registry): IdentityMetrics {
  const reviews = new Counter({
    name: "entente_token_reviews_total",
    help: "Callers whose token the Kubernetes API had to judge, by outcome.",
    labelNames: ["outcome"],
    registers: [registry],
  });
  const changes = new Counter({
    name: "entente_authority_changes_total",
    help: "Changes of the certificate authority while it ran, by whether they came into force.",
    labelNames: ["outcome"],
    registers: [registry],
  });
  return {
    reviewed: (outcome) => reviews.inc({ outcome }),
    authorityChanged: (outcome) => changes.inc({ outcome }),
    watchRefusals: (authority) => {
      new Gauge({
        name: "entente_authority_refused",
        help: "Whether the stored certificate authority is refused and an earlier one is in force. Alert on 1.",
        registers: [registry],
        collect() {
          this.set(authority.refusal() === undefined ? 0 : 1);
        },
      });
    },
  };
}
