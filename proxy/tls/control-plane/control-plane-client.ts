import { readFile } from "node:fs/promises";
import type { SecureContext } from "node:tls";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { IstioCertificateService } from "../../../mesh/api/gen/ca_pb.ts";
import { errnoOf, MeshError } from "../../../mesh/mesh-error.ts";
import type { RevocationIndex } from "../../../mesh/policy/authentication/revocations.ts";
import type { Clock } from "../../../mesh/runtime.ts";
import { NetError } from "../../../net/net-error.ts";
import { withTimeLimit } from "../../../net/time-limit.ts";
import type { CertificateResponse, RequestCertificate } from "../request-svid.ts";
import { parseCertificates } from "../trust-anchors.ts";
import { WorkloadTlsError, type WorkloadTlsErrorCode } from "../workload-tls-error.ts";
import { connectControlPlane, parseControlPlaneAddress } from "./control-plane-connection.ts";

export interface CertificateClientOptions {
  /** `host:port`. */
  readonly address: string;
  readonly rootCertificateFile: string;
  readonly tokenFile: string;
  readonly clock: Clock;
  /** For connecting. @default 5000 */
  readonly timeoutMs?: number;
  /** For the response: a busy authority takes seconds. @default 15,000 */
  readonly responseTimeoutMs?: number;
  /** Requested lifetime of certificates; 0 leaves it to the authority. @default 0 */
  readonly lifetimeMs?: number;
  /**
   * A context with the own certificate, which trusts these authorities; `undefined` while there is no valid one.
   * @default none: only the token proves the identity
   */
  readonly contextTrusting?: (rootsPem: string) => SecureContext | undefined;
  /** What is revoked, also of the control plane. @default nothing */
  readonly revocations?: () => RevocationIndex | undefined;
}

/** A service account token is about 1 KB, a root bundle of Istio's less than 1 MB (a ConfigMap's limit). */
const MAX_TOKEN_BYTES = 64 * 1024;
const MAX_ROOTS_BYTES = 1024 * 1024;
const CALL_GRACE_MS = 500;
/**
 * The control plane's answers that another proof of the same identity may change. Calls with a token are limited by their
 * address, which other pods of the node may share and use up; those with a certificate by their identity and pod.
 */
const REFUSED_TOKEN: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
];

/**
 * Calls the control plane's certificate authority, as Istio's agent does: `CreateCertificate` with the projected
 * service account token as bearer. Token and root file are read for every call, because the kubelet replaces both while
 * the pod runs (istio#26225, istio#60326). Each call has a connection of its own, so nothing stale is left after a
 * failure, and another replica may serve the next one.
 *
 * After a call whose token was missing, refused or not judged, the next one shows the own certificate instead, if that is
 * still valid, and then it is the token's turn again. So a token that is no longer renewed does not end a workload, nor does
 * an outage of the API that judges tokens, nor a flood of calls from the same address.
 */
export function createCertificateClient(options: CertificateClientOptions): RequestCertificate {
  const address = parseControlPlaneAddress(options.address);
  const { clock, timeoutMs = 5000, responseTimeoutMs = 15_000, lifetimeMs = 0, contextTrusting } = options;
  let isCertificatesTurn = false;
  return async (csrPem, signal): Promise<CertificateResponse> => {
    const rootsPem = await readRootFile(options.rootCertificateFile);
    const context = isCertificatesTurn ? contextTrusting?.(rootsPem) : undefined;
    isCertificatesTurn = false;
    try {
      const headers = context === undefined ? await authorization(options.tokenFile) : {};
      const connection = await connectControlPlane({
        ...{ address, rootsPem, clock, timeoutMs, signal },
        ...(context !== undefined && { context }),
        revocations: options.revocations?.(),
      });
      try {
        const client = createClient(IstioCertificateService, connection.transport);
        const call = client.createCertificate(
          { csr: csrPem, validityDuration: BigInt(Math.ceil(lifetimeMs / 1000)) },
          { headers, timeoutMs: responseTimeoutMs, signal },
        );
        // The call has its own limit, which reaches the server too; this one does not depend on the library.
        const limit = { clock, limitMs: responseTimeoutMs + CALL_GRACE_MS, what: "the call for a certificate" };
        const { certChain } = await withTimeLimit(call, limit);
        return { chain: certChain, controlPlaneRoots: parseCertificates(rootsPem, "the root file") };
      } finally {
        connection.close();
      }
    } catch (caught) {
      if (context !== undefined) throw certificateRefused(caught);
      isCertificatesTurn = isTokensFault(caught);
      throw caught;
    }
  };
}

async function authorization(tokenFile: string): Promise<Readonly<Record<string, string>>> {
  return { authorization: `Bearer ${await readTokenFile(tokenFile)}` };
}

function isTokensFault(caught: unknown): boolean {
  if (caught instanceof WorkloadTlsError) return caught.code === "token_file";
  if (caught instanceof NetError) return caught.code === "timed_out";
  return caught instanceof ConnectError && REFUSED_TOKEN.includes(caught.code);
}

function certificateRefused(caught: unknown): WorkloadTlsError {
  const { message } = MeshError.from(caught);
  return new WorkloadTlsError("renewal_by_certificate", `the own certificate instead of the token: ${message}`, {
    cause: caught,
  });
}

/**
 * The authorities that verify the control plane, PEM. Written again as they were read: OpenSSL stops reading a text at what it
 * does not understand, such as two certificates without a line break between them, and trusts none of them, without an error.
 */
export async function readRootFile(path: string): Promise<string> {
  const pem = await readBounded(path, MAX_ROOTS_BYTES, "root_file");
  const roots = parseCertificates(pem, `the root file ${path}`);
  return roots.map((root) => root.toString()).join("");
}

async function readTokenFile(path: string): Promise<string> {
  const token = (await readBounded(path, MAX_TOKEN_BYTES, "token_file")).trim();
  // Invalid file content must appear neither in the header nor in a message.
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    throw new WorkloadTlsError("token_file", `${path} holds no token: mount a projected service account token there`);
  }
  return token;
}

async function readBounded(path: string, maxBytes: number, code: WorkloadTlsErrorCode): Promise<string> {
  const text = await readFile(path, "utf8").catch((caught: unknown) => {
    const errno = caught instanceof Error ? errnoOf(caught) : undefined;
    const reason = errno === "ENOENT" ? "does not exist (yet)" : `cannot be read (${errno ?? String(caught)})`;
    throw new WorkloadTlsError(code, `${path} ${reason}`, { cause: caught });
  });
  if (text.length > maxBytes) throw new WorkloadTlsError(code, `${path} has more than ${maxBytes} bytes`);
  return text;
}
