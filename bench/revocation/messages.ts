/** What the processes of the revocation bench tell each other over `fork`. */
import type { CertificateFiles } from "../paths/certificates.ts";

/** For the proxy. Its first argument is a `SideJob`, its second one the most connections that it accepts. */
export type ToProxy =
  /** The trust bundle as the control plane sends it, in base64. */
  { readonly kind: "trust"; readonly bundle: string } | { readonly kind: "report" };

export type FromProxy =
  | { readonly kind: "ready" }
  | { readonly kind: "trusted" }
  /** Since the report before. */
  | {
      readonly kind: "report";
      /** The longest time for which the event loop did nothing else. */
      readonly longestPauseMs: number;
      readonly cpuMs: number;
      readonly residentMb: number;
    };

/** For a process of clients, whose argument is a `ClientsJob`. */
export interface ClientsJob {
  /** `idle`: each sends one request and keeps its connection. `asking`: one request after another. */
  readonly role: "idle" | "asking";
  readonly port: number;
  /** Of each client its certificate. */
  readonly certificates: readonly CertificateFiles[];
  readonly connections: number;
}

export type ToClients = { readonly kind: "report" };

export type FromClients =
  | { readonly kind: "open"; readonly count: number; readonly failures: number }
  /** Every idle connection was closed by the proxy. */
  | { readonly kind: "closed"; readonly lastMs: number }
  /** Since the report before. */
  | {
      readonly kind: "report";
      readonly requests: number;
      readonly failures: readonly string[];
      readonly p50Ms: number;
      readonly slowestMs: number;
    };
