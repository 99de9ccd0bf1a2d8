import type { CertificateFiles } from "./certificates.ts";

/** A way from the client to the backend that can be measured. */
export interface PathKind {
  readonly name: PathName;
  /** What stands between client and backend, for the report. */
  readonly title: string;
  /** What its mesh hop speaks, by what the application speaks; it cannot carry an application's protocol that is missing. */
  readonly hops: Readonly<Partial<Record<ApplicationProtocol, ApplicationProtocol>>>;
  /** The program of the system that it needs; `undefined`: none. */
  readonly program: "envoy" | "haproxy" | "nginx" | undefined;
  readonly start: (surroundings: PathSurroundings) => Promise<StartedPath>;
}

export type PathName =
  | "none"
  | "entente-stream"
  | "entente-http"
  | "entente-http1"
  | "entente-http2"
  | "http-proxy"
  | "envoy-http1"
  | "envoy-http2"
  | "envoy-stream"
  | "haproxy"
  | "haproxy-http2"
  | "nginx";

/** `h2`: HTTP/2 with prior knowledge where it is in plaintext. */
export type ApplicationProtocol = "http/1.1" | "h2";

/** What all paths have in common in one run. */
export interface PathSurroundings {
  /** A folder of this path's own, removed after the run. */
  readonly folder: string;
  readonly certificates: CertificateFiles;
  readonly backendPort: number;
  /** What client and backend speak. */
  readonly application: ApplicationProtocol;
  /** Where the client's side dials in place of the server's side; for a check of what it sends. */
  readonly dialledPort?: number;
  /** Where bundled programs lie. */
  readonly programs: string;
  /** Where CPU profiles go; `undefined`: none are taken. */
  readonly profileFolder: string | undefined;
}

/** A path whose processes run. All of its ports are on 127.0.0.1. */
export interface StartedPath {
  /** Where the client speaks plaintext. */
  readonly port: number;
  /** Where the server's side takes mutual TLS; `undefined` on the path without proxies. */
  readonly meshPort: number | undefined;
  readonly proxies: readonly ProxyProcess[];
  readonly stop: () => Promise<void>;
}

/** A process of the path, with everything that it has forked. */
export interface ProxyProcess {
  readonly name: "client's side" | "server's side" | "both sides";
  readonly pid: number;
}
