import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { type IstioCertificateRequest, IstioCertificateService } from "../mesh/api/gen/ca_pb.ts";
import { peerIdentityKey, provenCallerKey } from "../mesh/api/peer-context.ts";
import { tagOfIdentity } from "../mesh/identity/pod-tag.ts";
import { MeshError } from "../mesh/mesh-error.ts";
import type { LogFields, Logger, LogLimiter } from "../mesh/runtime.ts";
import type { Authority } from "./authority/authority.ts";
import { CaError } from "./ca-error.ts";
import type { IssuingMetrics, SignErrorLabel } from "./issuing-metrics.ts";
import {
  type AuthenticateCallerDeps,
  authenticateCaller,
  type CallerVerdict,
} from "./workload-auth/authenticate-caller.ts";
import { describeCertificate } from "./x509/describe-certificate.ts";

export interface IssuingServiceDeps extends AuthenticateCallerDeps {
  readonly authority: Authority;
  readonly log: Logger;
  /** Checked before each refusal is logged, because any caller can cause them. */
  readonly limitLog: LogLimiter;
  readonly metrics?: IssuingMetrics;
  /** For requests without a lifetime. */
  readonly defaultLifetimeMs: number;
  /** Longer requested lifetimes are refused, not shortened, as in Istio. */
  readonly maxLifetimeMs: number;
}

/** A request contains a CSR and little else; the largest accepted CSR has 16 KiB. */
const MAX_REQUEST_BYTES = 64 * 1024;

/**
 * Registers Istio's certificate service. The certificate contains the identity that the caller's token or certificate
 * proves, whatever the request contains. A refused caller receives no reason; it is in the log.
 */
export function registerIssuingService(router: ConnectRouter, deps: IssuingServiceDeps): void {
  router.service(
    IstioCertificateService,
    {
      createCertificate: async (request, context) => ({
        certChain: [...(await createCertificate(request, context, deps))],
      }),
    },
    { readMaxBytes: MAX_REQUEST_BYTES },
  );
}

async function createCertificate(
  request: IstioCertificateRequest,
  context: HandlerContext,
  deps: IssuingServiceDeps,
): Promise<readonly string[]> {
  const startMs = deps.clock.monotonicMs();
  deps.metrics?.requested();
  const caller = await admitCaller(request, context, deps);
  refuseImpersonation(request, caller, deps);
  try {
    const lifetimeMs = decideLifetime(request.validityDuration, deps);
    const { identity, podTag = tagOfIdentity(caller.identity) } = caller;
    const chain = await deps.authority.signWorkload({ csrPem: request.csr, identity, podTag, lifetimeMs });
    const [leaf = ""] = chain;
    // The audit trail: each certificate has its line before the caller has it, whatever the limits of log lines.
    const issued = {
      code: "issued",
      ...describeCertificate(leaf),
      tookMs: Math.round(deps.clock.monotonicMs() - startMs),
    };
    deps.log.info({ ...describeCaller(caller), ...issued }, "issued a certificate");
    deps.metrics?.issued();
    const { by, address } = caller;
    if (by === "token") context.values.get(provenCallerKey)({ kind: "proven", identity, podTag, address });
    return chain;
  } catch (caught) {
    throw signingError(caught, caller, deps);
  }
}

/** Who a certificate is for, and how that was proved. */
interface Caller extends Omit<Extract<CallerVerdict, { kind: "authenticated" }>, "kind"> {
  readonly address: string;
}

function describeCaller({ identity, by, pod, address }: Caller): LogFields {
  return { component: "ca-agent", peer: identity, by, ...(pod && { pod }), address };
}

/** Throws a ConnectError for a caller that is not authenticated. */
async function admitCaller(
  request: IstioCertificateRequest,
  { requestHeader: header, values }: HandlerContext,
  deps: IssuingServiceDeps,
): Promise<Caller> {
  const peer = values.get(peerIdentityKey);
  const { address } = peer;
  const verdict = await authenticateCaller({ header, peer, csrPem: request.csr }, deps).catch((caught: unknown) => {
    if (caught instanceof CaError && peer.kind === "verified") {
      throw signingError(caught, { identity: peer.identity, by: "certificate", address }, deps);
    }
    throw authenticatorFailed(caught, address, deps);
  });
  switch (verdict.kind) {
    case "authenticated": {
      const { kind: _, ...caller } = verdict;
      return { ...caller, address };
    }
    case "refused":
      throw unauthenticated(verdict, address, deps);
    case "unavailable":
      throw notAuthenticatedNow(verdict, address, deps);
  }
}

/** Istio lets its node proxies request certificates for other identities; a sidecar mesh has no such caller. */
function refuseImpersonation(request: IstioCertificateRequest, caller: Caller, deps: IssuingServiceDeps): void {
  const wanted = request.metadata?.["ImpersonatedIdentity"];
  if (wanted === undefined || wanted === null || wanted === "") return;
  deps.metrics?.authenticationFailed();
  const fields = { ...describeCaller(caller), code: "impersonation" };
  writeLimited("impersonation", deps, (heldBack) =>
    deps.log.warn(
      { ...fields, wanted: JSON.stringify(wanted).slice(0, 200), heldBack },
      "refused ImpersonatedIdentity: no node proxy may request certificates for others here, as Istio's trusted node accounts may",
    ),
  );
  throw new ConnectError("request impersonation authentication failure", Code.Unauthenticated);
}

function decideLifetime(validitySeconds: bigint, deps: IssuingServiceDeps): number {
  if (validitySeconds <= 0n) return deps.defaultLifetimeMs;
  if (validitySeconds * 1000n > BigInt(Math.floor(deps.maxLifetimeMs))) {
    throw new LifetimeError(`the lifetime of ${validitySeconds} s is longer than ${deps.maxLifetimeMs / 1000} s`);
  }
  return Number(validitySeconds) * 1000;
}

class LifetimeError extends MeshError<"lifetime"> {
  constructor(message: string) {
    super("lifetime", message);
  }
}

/** An exception: the fault is ours, so the status lets the caller retry. */
function authenticatorFailed(caught: unknown, address: string, deps: IssuingServiceDeps): ConnectError {
  const { code, message, stack } = MeshError.from(caught);
  deps.metrics?.authenticationFailed();
  const fields = { component: "ca-agent", code, address, reason: message, stack };
  writeLimited("authenticator", deps, (heldBack) =>
    deps.log.error({ ...fields, heldBack }, "could not authenticate a caller"),
  );
  return new ConnectError("authentication is not possible now", Code.Unavailable);
}

/** Istio's agents retry both codes, and a token that could not be checked is not reported as invalid. */
function notAuthenticatedNow(
  { reason, message }: Extract<CallerVerdict, { kind: "unavailable" }>,
  address: string,
  deps: IssuingServiceDeps,
): ConnectError {
  deps.metrics?.authenticationFailed();
  const isCallersFault = reason === "too_many_reviews";
  const fields = { component: "ca-agent", code: reason, address, reason: message };
  writeLimited(reason, deps, (heldBack) =>
    deps.log[isCallersFault ? "warn" : "error"]({ ...fields, heldBack }, "could not authenticate a caller"),
  );
  return new ConnectError(
    "authentication is not possible now",
    isCallersFault ? Code.ResourceExhausted : Code.Unavailable,
  );
}

function unauthenticated(
  { reason, message }: Extract<CallerVerdict, { kind: "refused" }>,
  address: string,
  deps: IssuingServiceDeps,
): ConnectError {
  deps.metrics?.authenticationFailed();
  deps.metrics?.callerRefused(reason);
  const fields = { component: "ca-agent", code: "unauthenticated", address, reason, detail: message };
  writeLimited(`unauthenticated ${reason}`, deps, (heldBack) =>
    deps.log.warn({ ...fields, heldBack }, "refused a caller"),
  );
  return new ConnectError("request authenticate failure", Code.Unauthenticated);
}

/** As in Istio: the caller's faults are described, ours are only named by kind. */
function signingError(caught: unknown, caller: Caller, deps: IssuingServiceDeps): ConnectError {
  const label = signErrorLabel(caught);
  const error = MeshError.from(caught);
  deps.metrics?.signingFailed(label);
  if (error.code === "csr_malformed") deps.metrics?.requestUnreadable();
  const isCallersFault = label === "CSR_ERROR" || label === "TTL_ERROR";
  const fields = { ...describeCaller(caller), code: error.code, error: label, reason: error.message };
  writeLimited(`signing ${error.code}`, deps, (heldBack) => {
    if (isCallersFault) deps.log.warn({ ...fields, heldBack }, "refused a signing request");
    else deps.log.error({ ...fields, stack: error.stack, heldBack }, "could not sign");
  });
  return isCallersFault
    ? new ConnectError(`CSR signing error (${label}: ${error.message})`, Code.InvalidArgument)
    : new ConnectError(`CSR signing error (${label})`, Code.Internal);
}

/** The kinds are constants, never text from a caller. */
function writeLimited(kind: string, { limitLog }: IssuingServiceDeps, write: (heldBack: number) => void): void {
  const { isGranted, heldBack } = limitLog(kind);
  if (isGranted) write(heldBack);
}

function signErrorLabel(caught: unknown): SignErrorLabel {
  if (caught instanceof LifetimeError) return "TTL_ERROR";
  if (!(caught instanceof CaError)) return "CERT_GEN_ERROR";
  if (caught.code.startsWith("csr_")) return "CSR_ERROR";
  return caught.code === "authority_expired" ? "CA_NOT_READY" : "CERT_GEN_ERROR";
}
