import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { SecureContext } from "node:tls";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describeRevoked, type RevocationIndex } from "../../../mesh/policy/authentication/revocations.ts";
import type { Clock } from "../../../mesh/runtime.ts";
import { createTlsContext } from "../../../net/tls/tls-contexts.ts";
import { WorkloadTlsError } from "../workload-tls-error.ts";
import { ControlPlaneSession, type SessionOptions } from "./control-plane-session.ts";

/** One connection to the control plane; the caller that opened it closes it. */
export interface ControlPlaneConnection {
  readonly transport: Transport;
  /** The control plane's own. */
  readonly certificate: X509Certificate | undefined;
  /** Resolves when the control plane wants no new streams on this connection. */
  readonly draining: Promise<void>;
  /** Resolves with the reason when the connection has ended. */
  readonly closed: Promise<string>;
  /** False when new streams cannot be opened. */
  isAlive(): boolean;
  /** Cancels everything in progress. */
  close(): void;
}

export interface ConnectOptions {
  readonly address: ControlPlaneAddress;
  /** Authorities that the control plane's certificate must chain to, PEM. */
  readonly rootsPem: string;
  /** Own certificate, with `rootsPem` as authorities. Absent: none is presented. */
  readonly context?: SecureContext;
  /** What is revoked. @default nothing */
  readonly revocations?: RevocationIndex | undefined;
  readonly clock: Clock;
  /** @default 5000 */
  readonly timeoutMs?: number;
  /** A dead control plane is noticed within twice this time, even without traffic. @default 5000 */
  readonly pingIntervalMs?: number;
  /** Gives up while connecting. */
  readonly signal: AbortSignal;
}

/** Where the control plane is, and the name that its certificate must have. */
export interface ControlPlaneAddress {
  /** `https://host:port` */
  readonly url: string;
  readonly host: string;
}

/** Most messages are a few kilobytes; a service with 10,000 endpoints needs 3 MB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Parses `host:port`, with brackets around an IPv6 address. */
export function parseControlPlaneAddress(text: string): ControlPlaneAddress {
  const url = URL.canParse(`https://${text}`) ? new URL(`https://${text}`) : undefined;
  // A URL omits 443 because it is the default.
  const isPlain = url !== undefined && [url.host, `${url.host}:443`].includes(text.toLowerCase());
  if (!isPlain || !/:\d+$/.test(text)) {
    throw new WorkloadTlsError(
      "control_plane_address",
      `${JSON.stringify(text)} is not an address of a control plane: use HOST:PORT, such as istiod.istio-system.svc:15012`,
    );
  }
  return { url: url.origin, host: url.hostname.replace(/^\[|\]$/g, "") };
}

/**
 * Connects, and resolves once the control plane is verified: its certificate must chain to the root file's authorities
 * and contain the host's name. Rejects with the reason.
 */
export async function connectControlPlane(options: ConnectOptions): Promise<ControlPlaneConnection> {
  const { address, clock, timeoutMs = 5000, pingIntervalMs = 5000, signal } = options;
  const { url } = address;
  const session = await ControlPlaneSession.open({
    url,
    tls: tlsOptions(options),
    clock,
    timeoutMs,
    pingIntervalMs,
    signal,
  }).catch((caught: unknown) => {
    const reason = caught instanceof Error ? caught.message : String(caught);
    throw new WorkloadTlsError("control_plane_unreachable", `${url}: ${reason}`, { cause: caught });
  });
  const { certificate, draining, closed } = session;
  const reason = findRevocation(certificate, options.revocations);
  if (reason !== undefined) {
    session.close();
    throw new WorkloadTlsError("control_plane_revoked", `${url}: ${reason}`);
  }
  const transport = createGrpcTransport({
    baseUrl: url,
    sessionManager: session,
    acceptCompression: [],
    readMaxBytes: MAX_MESSAGE_BYTES,
  });
  return { transport, certificate, draining, closed, isAlive: () => session.isAlive(), close: () => session.close() };
}

/**
 * Why the control plane is refused, although it was verified; `undefined`: it is not. Only its own certificate counts:
 * were an authority's revoked by mistake, no proxy could receive that this was lifted.
 */
export function findRevocation(
  certificate: X509Certificate | undefined,
  revocations: RevocationIndex | undefined,
): string | undefined {
  const revoked = certificate === undefined ? undefined : revocations?.find([certificate]);
  return revoked && describeRevoked(revoked);
}

function tlsOptions({ address, rootsPem, context }: ConnectOptions): SessionOptions["tls"] {
  return {
    // Node checks the certificate against this name; an IP address is checked as such and must not be sent as SNI.
    ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
    secureContext: context ?? createTlsContext({ ca: rootsPem }),
  };
}
