import type { KeyObject, X509Certificate } from "node:crypto";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { createSvidKey, formatCertificateRequest } from "./csr.ts";
import { svidFromIssued } from "./issued-certificate.ts";
import type { Svid } from "./secure-context-source.ts";
import type { TrustAnchors } from "./trust-anchors.ts";

/** Calls the certificate authority. Rejects if it returns no certificate. */
export type RequestCertificate = (csrPem: string, signal: AbortSignal) => Promise<CertificateResponse>;

export interface CertificateResponse {
  /** PEM, leaf first. */
  readonly chain: readonly string[];
  /** The authorities that verified the control plane for this response. */
  readonly controlPlaneRoots: readonly X509Certificate[];
}

export interface SvidRequest {
  readonly identity: SpiffeId;
  readonly request: RequestCertificate;
  /** The trust bundle, as it is when the response arrives. */
  readonly trust: () => TrustAnchors;
  readonly clock: Clock;
  /** @default createSvidKey */
  readonly createKey?: (() => KeyObject) | undefined;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** For a whole attempt, whatever the client's own deadlines are. */
const ATTEMPT_TIMEOUT_MS = 30_000;

/** Requests a certificate for a new key, and verifies it. Rejects with the reason if there is none that may be used. */
export async function requestSvid({ identity, request, trust, clock, ...options }: SvidRequest): Promise<Svid> {
  const privateKey = (options.createKey ?? createSvidKey)();
  const csrPem = formatCertificateRequest(privateKey, identity);
  const deadline = new AbortController();
  const timer = clock.setTimeout(
    () => deadline.abort(new Error(`no response within ${ATTEMPT_TIMEOUT_MS} ms`)),
    ATTEMPT_TIMEOUT_MS,
  );
  const signal = AbortSignal.any([deadline.signal, options.signal]);
  try {
    const { chain, controlPlaneRoots } = await untilAborted(request(csrPem, signal), signal);
    // The root file is as good as the bundle: it vouches for who sends the bundle. Without it, a workload that
    // slept through a change of the root could never come back.
    const { roots, trustDomains } = trust();
    const anchors = { roots: [...roots, ...controlPlaneRoots], trustDomains };
    return svidFromIssued({ chain, privateKey, identity, trust: anchors, nowMs: clock.now() });
  } finally {
    timer.cancel();
  }
}

/** A request that ignores its signal must not block the caller. */
async function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}
