import { isIP } from "node:net";
import type { SecureContext } from "node:tls";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { WorkloadTlsError } from "./workload-tls-error.ts";

/** One HTTP/2 connection to the control plane; whoever opened it closes it. */
export interface ControlPlaneConnection {
  readonly transport: Transport;
  /** False once the connection has failed; then nothing more comes through it. */
  isAlive(): boolean;
  /** Cancels all that is under way. */
  close(): void;
}

export interface ConnectOptions {
  readonly address: ControlPlaneAddress;
  /** Authorities that the control plane's certificate must chain to, PEM. */
  readonly rootsPem: string;
  /** Own certificate, with `rootsPem` as authorities. Absent: none is shown. */
  readonly context?: SecureContext;
  readonly clock: Clock;
  /** @default 5000 */
  readonly timeoutMs?: number;
  /** A control plane that died is noticed within twice this time, also when nothing else is sent. @default 5000 */
  readonly pingIntervalMs?: number;
  /** Gives up while connecting. */
  readonly signal: AbortSignal;
}

/** Where the control plane is, `host:port`, and the name that its certificate must have. */
export interface ControlPlaneAddress {
  readonly url: string;
  readonly host: string;
}

/** A message is a few kilobytes; a service with 10,000 endpoints needs 3 MB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Reads `host:port`, with brackets around an IPv6 address. */
export function parseControlPlaneAddress(text: string): ControlPlaneAddress {
  const url = URL.canParse(`https://${text}`) ? new URL(`https://${text}`) : undefined;
  // A URL leaves out 443 because it is the default; anything else in the text shows in `host`.
  const isPlain = url !== undefined && (url.host === text.toLowerCase() || `${url.host}:443` === text.toLowerCase());
  if (!isPlain || !/:\d+$/.test(text)) {
    throw new WorkloadTlsError(
      "control_plane_address",
      `${JSON.stringify(text)} is no address of a control plane: use HOST:PORT, such as istiod.istio-system.svc:15012`,
    );
  }
  return { url: url.origin, host: url.hostname.replace(/^\[|\]$/g, "") };
}

/**
 * Connects, and resolves once the control plane has proved itself: its certificate must chain to the root file's
 * authorities and carry the host's name. Rejects with the reason.
 */
export async function connectControlPlane(options: ConnectOptions): Promise<ControlPlaneConnection> {
  const { address, clock, timeoutMs = 5000, pingIntervalMs = 5000, signal } = options;
  signal.throwIfAborted();
  const session = new Http2SessionManager(
    address.url,
    { pingIntervalMs, pingTimeoutMs: pingIntervalMs, pingIdleConnection: true },
    tlsOptions(options),
  );
  const close = (reason: string): void => session.abort(new WorkloadTlsError("control_plane_unreachable", reason));
  const timer = clock.setTimeout(() => close(`${address.url} did not answer within ${timeoutMs} ms`), timeoutMs);
  const onAbort = (): void => close("the attempt was given up");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const state = await session.connect();
    if (state === "error") throw unreachable(address, session.error());
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
  }
  const transport = createGrpcTransport({
    baseUrl: address.url,
    sessionManager: session,
    acceptCompression: [],
    readMaxBytes: MAX_MESSAGE_BYTES,
  });
  return {
    transport,
    isAlive: () => ["open", "idle", "verifying"].includes(session.state()),
    close: () => session.abort(),
  };
}

function tlsOptions({
  address,
  rootsPem,
  context,
}: ConnectOptions): ConstructorParameters<typeof Http2SessionManager>[2] {
  return {
    minVersion: "TLSv1.2",
    // Node checks the certificate against this name; an address is checked as such and must not be sent as SNI.
    ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
    ...(context === undefined ? { ca: rootsPem } : { secureContext: context }),
  };
}

function unreachable(address: ControlPlaneAddress, cause: unknown): WorkloadTlsError {
  if (cause instanceof WorkloadTlsError) return cause;
  const reason = cause === undefined ? "the connection was closed" : MeshError.from(cause).message;
  return new WorkloadTlsError("control_plane_unreachable", `${address.url}: ${reason}`, { cause });
}
