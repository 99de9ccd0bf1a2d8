import type { CertificateFiles } from "../paths/certificates.ts";

/** The job of the bench's own load generator. */
export type LoadJob = PacedJob | MixedJob | FreshJob | HandshakeJob | StreamJob | ServerStreamJob | IdleJob;

interface Target {
  readonly host: string;
  readonly port: number;
  readonly seconds: number;
}

/** Requests at fixed times, whatever the responses do (open loop). */
export interface PacedJob extends Target {
  readonly kind: "paced";
  readonly file: string;
  /** Requests a second, all connections together. */
  readonly rate: number;
  readonly connections: number;
}

/** Two loads at fixed times at once, on connections of their own. */
export interface MixedJob extends Target {
  readonly kind: "mixed";
  readonly small: PacedShare;
  readonly large: PacedShare;
}

export type PacedShare = Pick<PacedJob, "file" | "rate" | "connections">;

/** A new connection for every request. */
export interface FreshJob extends Target {
  readonly kind: "fresh";
  readonly file: string;
  readonly concurrency: number;
}

/** A new mutual TLS connection for every request. */
export interface HandshakeJob extends Target {
  readonly kind: "handshakes";
  readonly file: string;
  readonly concurrency: number;
  readonly certificates: CertificateFiles;
}

/** One long response. */
export interface StreamJob extends Target {
  readonly kind: "stream";
  readonly file: string;
  /** `undefined`: as fast as it comes, to its end; otherwise for `seconds`. */
  readonly bytesPerSecond: number | undefined;
}

/** gRPC server streams, one call after the other. */
export interface ServerStreamJob extends Target {
  readonly kind: "server streams";
}

/** Mutual TLS connections that carry one request each and are then silent until standard input ends. */
export interface IdleJob extends Target {
  readonly kind: "idle";
  readonly file: string;
  readonly connections: number;
  readonly certificates: CertificateFiles;
}
