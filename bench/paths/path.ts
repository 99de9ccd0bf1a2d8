import type { CertificateFiles } from "./certificates.ts";

/** A way from the client to the backend that can be measured. */
export interface PathKind {
  readonly name: PathName;
  /** What stands between client and backend, for the report. */
  readonly title: string;
  /** Why it cannot run here; `undefined`: it can. */
  readonly findObstacle: () => string | undefined;
  readonly start: (surroundings: PathSurroundings) => Promise<StartedPath>;
}

export type PathName = "none" | "entente-stream" | "entente-http" | "http-proxy" | "haproxy" | "nginx";

/** What all paths have in common in one run. */
export interface PathSurroundings {
  /** A folder of this path's own, removed after the run. */
  readonly folder: string;
  readonly certificates: CertificateFiles;
  readonly backendPort: number;
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
