import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES } from "../../mesh/identity/chain-limits.ts";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { type PeerRefusal, verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { afterInput } from "../../net/after-input.ts";
import { keepHandshake, readPeerCertificates } from "../../net/tls/peer-certificates.ts";
import { verifyByRoot } from "../../net/tls/verify-by-root.ts";
import type { SecureMaterial } from "../tls/secure-context-source.ts";
import type { TrustAnchors } from "../tls/trust-anchors.ts";
import { type Authorities, authoritiesOf } from "../tls/trust-changes.ts";

/** The peer, as its certificate proved it in this connection's own handshake. */
export interface VerifiedPeer {
  readonly identity: SpiffeId;
  /** As it sent them, leaf first. */
  readonly certificates: readonly X509Certificate[];
  /** The path that was verified: leaf first, root last. */
  readonly path: readonly X509Certificate[];
  /** When the chain was verified. Later checks use this time: expiry does not end a connection. */
  readonly verifiedAtMs: number;
  readonly tlsVersion: string;
  readonly cipher: string;
  /** The roots and trust domains by which it was verified. */
  readonly authorities: Authorities;
  /** `X25519MLKEM768`, `x25519`, …, as OpenSSL names it. */
  readonly keyExchangeGroup: string;
}

/** Stable: the `reason` label of handshake failures. */
export type HandshakeFailure =
  | PeerRefusal
  | "handshake_timeout"
  | "handshake_failed"
  | "unacceptable_chain"
  | "openssl_disagrees";

export type HandshakeResult =
  | { readonly kind: "verified"; readonly socket: TLSSocket; readonly peer: VerifiedPeer }
  | { readonly kind: "failed"; readonly reason: HandshakeFailure; readonly message: string };

export interface HandshakeOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly material: SecureMaterial;
  /** The trust bundle in force when the peer is judged: it may have changed since the handshake began. */
  readonly trust: () => TrustAnchors;
  /** Set on the client's side: the identities that the server may have. */
  readonly expected?: readonly SpiffeId[];
}

/** `secureConnect` on the client's side, `secure` on the server's. */
export type HandshakeEvent = "secureConnect" | "secure";

/**
 * Waits for the handshake and judges the peer. No application byte passes before the verdict, because nothing reads
 * from the socket or writes to it. On failure the caller destroys the connection.
 */
export async function completeHandshake(
  socket: TLSSocket,
  event: HandshakeEvent,
  options: HandshakeOptions,
): Promise<HandshakeResult> {
  const outcome = await awaitEvent(socket, event, options);
  return outcome.kind === "failed" ? outcome : judgePeer(socket, outcome.group, options);
}

type Failed = Extract<HandshakeResult, { kind: "failed" }>;
type Done = { readonly kind: "done"; readonly group: string };

function awaitEvent(socket: TLSSocket, event: HandshakeEvent, options: HandshakeOptions): Promise<Failed | Done> {
  return new Promise((resolve) => {
    const onLate = (): void =>
      finish(failed("handshake_timeout", `the TLS handshake took longer than ${options.timeoutMs} ms`));
    const timer = afterInput(options.clock, onLate, options.timeoutMs);
    const stop = (): void => {
      timer.cancel();
      socket.off(event, onDone);
      socket.off("error", onError);
      socket.off("close", onClose);
      socket.off("end", onClose);
      // A later error must not throw before the next owner adds its listener.
      socket.on("error", () => undefined);
    };
    const finish = (outcome: Failed): void => {
      stop();
      resolve(outcome);
    };
    const onDone = (): void => {
      stop();
      const group = keepHandshake(socket);
      // This event, and each promise that it resolves, runs inside OpenSSL's call: a caller that refused the peer there
      // and destroyed the socket would crash the process.
      setImmediate(() => resolve({ kind: "done", group }));
    };
    const onError = (error: Error): void => finish(failureOf(error));
    const onClose = (): void =>
      finish(failed("handshake_failed", "the peer closed the connection during the handshake"));
    socket.on(event, onDone);
    socket.on("error", onError);
    socket.on("close", onClose);
    // A peer that ends its side in the middle of a handshake cannot complete it.
    socket.on("end", onClose);
  });
}

function judgePeer(socket: TLSSocket, keyExchangeGroup: string, options: HandshakeOptions): HandshakeResult {
  const { clock, expected } = options;
  const trust = options.trust();
  const verifiedAtMs = clock.now();
  const certificates = readPeerCertificates(socket);
  const verdict = verifyPeer({
    certificates,
    sessionReused: socket.isSessionReused(),
    ...trust,
    nowMs: verifiedAtMs,
    ...(expected === undefined ? {} : { expected }),
  });
  if (verdict.kind === "refused") return failed(verdict.reason, verdict.message);
  const opensslError = askOpenssl(socket, { certificates, root: verdict.path.at(-1) }, options);
  if (opensslError !== undefined) {
    return failed(
      "openssl_disagrees",
      `OpenSSL does not accept the certificate of ${verdict.identity}: ${opensslError}`,
    );
  }
  const peer: VerifiedPeer = {
    identity: verdict.identity,
    certificates,
    verifiedAtMs,
    path: verdict.path,
    authorities: authoritiesOf(trust),
    tlsVersion: socket.getProtocol() ?? "",
    cipher: socket.getCipher().standardName,
    keyExchangeGroup,
  };
  return { kind: "verified", socket, peer };
}

/**
 * Where foreign domains are trusted, a refusal of OpenSSL counts if it refuses the chain by the root of our own verdict
 * alone, too: the owner of a foreign root, who may choose its name and key identifier like those of somebody else's
 * authority, must not end connections that it is no part of.
 */
function askOpenssl(
  socket: TLSSocket,
  {
    certificates,
    root,
  }: { readonly certificates: readonly X509Certificate[]; readonly root: X509Certificate | undefined },
  { material, expected }: HandshakeOptions,
): string | undefined {
  const inHandshake = readOpensslVerdict(socket);
  if (inHandshake === undefined || material.trust.federated === undefined || root === undefined) return inHandshake;
  return verifyByRoot({ certificates, root, role: expected === undefined ? "client" : "server" });
}

/**
 * OpenSSL's own verdict on the chain. A second check, never the only one; `undefined`: accepted. On the server's side
 * Node exposes it only on the handle. A Node without it makes every handshake fail.
 */
function readOpensslVerdict(socket: TLSSocket): string | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const verifyError: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "verifyError") : undefined;
  if (typeof verifyError !== "function") return "its verdict cannot be read";
  const error: unknown = Reflect.apply(verifyError, handle, []);
  if (error === undefined || error === null) return undefined;
  return error instanceof Error ? (errnoOf(error) ?? error.message) : String(error);
}

/** OpenSSL's errors by Node's names. */
function failureOf(error: Error): Failed {
  const code = errnoOf(error) ?? error.name;
  switch (code) {
    case "ECONNRESET":
      return failed(
        "handshake_failed",
        "the peer reset the connection during the handshake; its own log has the reason",
      );
    case "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE":
      return failed("no_certificate", "the peer showed no certificate");
    // A message that the handshake guard has overwritten, or one that is malformed in the same way.
    case "ERR_SSL_LENGTH_MISMATCH":
    case "ERR_SSL_INVALID_CONTEXT":
    case "ERR_SSL_EXCESSIVE_MESSAGE_SIZE":
      return failed("unacceptable_chain", UNACCEPTABLE_CHAIN);
    default:
      return failed("handshake_failed", code.startsWith("ERR_SSL") ? code : `${code}: ${error.message}`);
  }
}

const UNACCEPTABLE_CHAIN =
  `the peer's certificates were not verified at all: at most ${MAX_CHAIN_CERTIFICATES} certificates and ` +
  `${MAX_CHAIN_BYTES} bytes are accepted, with keys on P-256 or P-384 or RSA keys of 2048 to 8192 bits, signed with SHA-2`;

function failed(reason: HandshakeFailure, message: string): Failed {
  return { kind: "failed", reason, message };
}
